"""What training and the served model share: encoders, queries, the suitability rules, signatures."""
