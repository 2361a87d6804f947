"""Carry a mirror across an air gap: export, import, receipts, the ledger."""
