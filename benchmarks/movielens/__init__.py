"""MovieLens 100K (Harper and Konstan, "The MovieLens datasets", 2015): 943 people and the 1,682 films that they rated.

`python -m benchmarks.movielens prepare --out DIR` writes the three tables and the nextbest.toml that `nextbest run`
reads; `python -m benchmarks.movielens run --out DIR` measures retrieval and ranking beside EASE, item-kNN and iALS.
The protocol is leave-last-out: each person's last film is the test, the one before is the validation.
"""
