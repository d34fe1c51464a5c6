"""One module for each group of cases."""
