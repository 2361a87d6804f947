"""Environments and package caches on this machine: conda packages, wheels and activation scripts."""
