"""Sparsity study: quality against work skipped, over sites, directions and kinds of matching."""
