"""Compaction of kept rows, maps, counts and the ledger of a site."""
