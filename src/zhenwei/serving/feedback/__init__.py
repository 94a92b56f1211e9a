"""Reviewers' verdicts: kept in a database, turned into training articles, and held against the predictions by week."""
