"""FAR-Trans, the customers of a large European bank and the assets that they bought first (arXiv 2407.08692).

`python -m benchmarks.fartrans prepare FOLDER --split N --out DIR` writes one split of the protocol as the three tables
and the nextbest.toml that `nextbest run` reads. `python -m benchmarks.fartrans run --splits 0-34 --out DIR` trains and
measures split by split: baselines and a peer beside retrieval and ranking; `report --out DIR` shows it again, also by
parts (`--splits 0-17 --splits 18-34`).
"""
