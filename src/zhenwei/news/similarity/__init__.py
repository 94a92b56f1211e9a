"""Near-duplicates and similar articles by character n-grams."""
