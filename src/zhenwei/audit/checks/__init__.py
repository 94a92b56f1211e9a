"""The single checks of an audit: each a function from a dataset to a finding."""
