"""One file of many, many of one; reproducibly, safely. It alone reads and writes zip and tar archives.

Whatever is read here was made by a stranger: every length is believed only after it was compared with a limit, memory
stays bounded whatever an archive claims, and `conda` alone extracts to disk, into a folder of its own.
"""
