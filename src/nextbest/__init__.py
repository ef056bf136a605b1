"""nextbest: a two-stage recommender of a bank customer's next best products."""
