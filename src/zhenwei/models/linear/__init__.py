"""Linear models on character n-grams."""
