"""Reviewers' verdicts: stored in a database, exported as training articles, compared with predictions per week."""
