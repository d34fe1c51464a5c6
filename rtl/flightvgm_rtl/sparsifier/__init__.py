"""The sparsifier: the order of tokens, comparison with references, the decision."""
