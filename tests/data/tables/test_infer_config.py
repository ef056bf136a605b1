"""What the columns of three files are inferred to be, and the TOML that says so."""

import sqlite3
import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

import nextbest
from nextbest.data.config import ColumnConfig, DataConfig, EntityConfig, InteractionsConfig, TableConfig, WindowsConfig
from nextbest.data.errors import InputError
from nextbest.data.rules import PolicyConfig, Rule
from nextbest.data.tables.columns import Column, read_columns, table_at
from nextbest.data.tables.infer_config import EventQuestion, Inference, infer_config
from nextbest.data.tables.load import load_dataset
from nextbest.data.tables.write_config import suggest_rules, to_toml, write_toml

NUM_CUSTOMERS, NUM_PRODUCTS = 100, 30


def write_tables(folder: Path, **replaced: dict[str, list[str]]) -> DataConfig:
    """Write three files whose columns mean what their names say, and return what is inferred."""
    customers = [f"K{row:04d}" for row in range(NUM_CUSTOMERS)]
    products = [f"P{row}" for row in range(NUM_PRODUCTS)]
    tables = {
        "customers": {
            "client": customers,
            "age": [str(20 + row % 50) for row in range(NUM_CUSTOMERS)],
            # Powers of two up to 2^24: the skewness is far above an exponential's, and their logarithms are uniform.
            "income": [str(2 ** (row % 25)) for row in range(NUM_CUSTOMERS)],
            "risk_tolerance": [str(1 + row % 5) for row in range(NUM_CUSTOMERS)],
            "segment": [("retail", "private", "")[row % 3] for row in range(NUM_CUSTOMERS)],
            "postcode": [f"{row % 7:05d}" for row in range(NUM_CUSTOMERS)],
            "has_app": [("0", "1", "")[row % 3] for row in range(NUM_CUSTOMERS)],
            "born": [("1990-02-28", "", "NA")[row % 3] for row in range(NUM_CUSTOMERS)],
            "iban": [f"DE{row:020d}" for row in range(NUM_CUSTOMERS)],
            "note": [f"met in {2000 + row}" for row in range(NUM_CUSTOMERS)],
            "nothing": [""] * NUM_CUSTOMERS,
        },
        "products": {
            "id": products,
            "name": [f"Fund number {row}" for row in range(NUM_PRODUCTS)],
            "category": [("fund", "loan")[row % 2] for row in range(NUM_PRODUCTS)],
            "risk_level": [str(1 + row % 5) for row in range(NUM_PRODUCTS)],
            "min_income": [str(100 * row) for row in range(NUM_PRODUCTS)],
            "maximum age": [str(60 + row % 20) for row in range(NUM_PRODUCTS)],
        },
        "interactions": {
            "when": [f"2023-01-{1 + row % 28:02d}T10:00:00Z" for row in range(NUM_CUSTOMERS)],
            "item": [products[row % NUM_PRODUCTS] for row in range(NUM_CUSTOMERS)],
            "client": customers,
            "action": [("Buy", "view", "SELL")[row % 3] for row in range(NUM_CUSTOMERS)],
            "rating": [str(row % 6) for row in range(NUM_CUSTOMERS)],
        },
    }
    for name, columns in {**tables, **replaced}.items():
        rows = zip(*columns.values(), strict=True)
        lines = [",".join(cells) for cells in [tuple(columns), *rows]]
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return infer(folder)


def inferred(folder: Path) -> Inference:
    return infer_files(*(folder / f"{name}.csv" for name in ("customers", "products", "interactions")), folder)


def infer_files(customers: Path, products: Path, interactions: Path, folder: Path) -> Inference:
    return infer_config(*(table_at(file, folder) for file in (customers, products, interactions)), folder)


def infer(folder: Path) -> DataConfig:
    found = inferred(folder)
    assert not found.questions
    return found.config


def roles(entity: EntityConfig) -> dict[str, str]:
    return {name: column.role for name, column in entity.columns.items()}


def test_roles_keys_and_events(tmp_path: Path) -> None:
    config = write_tables(tmp_path)
    assert (config.customers.id, config.customers.as_of) == ("client", None)
    assert roles(config.customers) == {
        "age": "number",
        "income": "number",
        "risk_tolerance": "number",
        "segment": "category",
        "postcode": "category",  # 00003 is not a number
        "has_app": "boolean",
        "born": "date",
        "iban": "id",
        "note": "text",
        "nothing": "category",
    }
    transformed = [name for name, column in config.customers.columns.items() if column.transform != "none"]
    assert transformed == ["income"]
    assert config.products.id == "id"
    assert roles(config.products) == {
        "name": "text",
        "category": "category",
        "risk_level": "number",
        "min_income": "number",
        "maximum age": "number",
    }
    assert config.interactions == InteractionsConfig(
        path="interactions.csv",
        customer_id="client",
        product_id="item",
        timestamp="when",
        event="action",
        weight="rating",
        delimiter=",",
        acquire=("Buy",),
        release=("SELL",),
        interest=("view",),
    )
    assert config.policy == PolicyConfig(risk_column="risk_level", category_column="category")
    assert config.segment == "segment"
    assert len(load_dataset(config, tmp_path).interactions) == NUM_CUSTOMERS


def test_keys_with_strange_names_are_recognised_by_their_values(tmp_path: Path) -> None:
    config = write_tables(
        tmp_path,
        customers={"colour": ["red", "red", "blue"], "nr": ["a", "b", "c"]},
        products={"what": ["x", "y"], "size": ["1", "2"]},
        interactions={"took": ["x", "y", "x"], "who": ["c", "a", "a"], "date": ["2023-01-01"] * 3},
    )
    assert (config.customers.id, config.interactions.customer_id) == ("nr", "who")
    assert (config.products.id, config.interactions.product_id) == ("what", "took")
    assert config.interactions.event is None


def test_the_date_that_tells_an_entitys_rows_apart_is_as_of(tmp_path: Path) -> None:
    config = write_tables(
        tmp_path,
        customers={
            "client": ["K0001", "K0001", "K0002"],
            "born": ["1990-01-01", "1990-01-01", "1991-01-01"],
            "seen": ["2023-01-01", "2023-02-01", "2023-01-01"],
        },
    )
    assert config.customers.as_of == "seen"
    assert roles(config.customers) == {"born": "date"}


def test_one_slip_leaves_a_number_a_number(tmp_path: Path) -> None:
    write_tables(tmp_path)
    path = tmp_path / "customers.csv"
    path.write_text(path.read_text().replace("K0007,27,", "K0007,twenty-seven,"))
    config = infer(tmp_path)
    assert config.customers.columns["age"].role == "number"
    with pytest.raises(InputError, match=r"column 'age', line 9: 'twenty-seven' is not a number"):
        load_dataset(config, tmp_path)


def test_what_cannot_be_inferred_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_tables(tmp_path, interactions={"a": ["1", "2"], "b": ["u", "v"]})
    what = [problem.what for problem in caught.value.problems]
    assert len(what) == 3
    assert ["customer" in what[0], "product" in what[1], "date" in what[2]] == [True] * 3
    with pytest.raises(InputError) as caught:
        infer_files(tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "interactions.csv", tmp_path)
    assert [Path(problem.file).name for problem in caught.value.problems] == ["a.csv", "b.csv"]


def test_tables_may_stand_in_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its URL stands in a variable of the environment, and nothing else of it in the TOML."""
    of_files = write_tables(tmp_path)
    with sqlite3.connect(tmp_path / "bank.db") as database:
        for name in ("customers", "products", "interactions"):
            pd.read_csv(tmp_path / f"{name}.csv", dtype=str).to_sql(name, database, index=False)
    database.close()
    monkeypatch.setenv("THE_BANK", f"sqlite:///{tmp_path}/bank.db")
    toml = tmp_path / "sql.toml"
    names = ("customers", "products", "interactions")
    nextbest.infer_config(*["${THE_BANK}"] * 3, toml, queries={name: f"SELECT * FROM {name}" for name in names})
    assert "sqlite" not in tomllib.loads(toml.read_text(encoding="utf-8"))["data"]["customers"]["path"]
    found = nextbest.read_config(toml).data
    assert found.customers.query == "SELECT * FROM customers"
    assert found.customers.columns.keys() == of_files.customers.columns.keys()
    assert len(load_dataset(found, tmp_path).customers) == NUM_CUSTOMERS
    monkeypatch.delenv("THE_BANK")
    with pytest.raises(InputError, match="the environment has no variable THE_BANK"):
        nextbest.infer_config(*["${THE_BANK}"] * 3, tmp_path / "other.toml")


def test_a_password_that_the_toml_would_hold_is_doubtful(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tables(tmp_path)
    files = {f"postgresql://me:s3cret@host/{name}": name for name in ("customers", "products", "interactions")}

    def read(source: TableConfig, folder: Path) -> list[Column]:
        return read_columns(source.model_copy(update={"path": f"{files[source.path]}.csv"}), folder)

    monkeypatch.setattr("nextbest.data.tables.infer_config.read_columns", read)
    doubts = [
        doubt
        for doubt in infer_config(*(TableConfig(path=path) for path in files), tmp_path).doubts
        if "password" in doubt
    ]
    assert len(doubts) == 3 and "s3cret" not in "".join(doubts)
    assert doubts[0].startswith("the TOML holds the password of postgresql://***@host/customers; give the address as")


def test_a_column_that_is_called_as_an_open_setting_is_left_out(tmp_path: Path) -> None:
    """Mutation 1790 of the zoo."""
    write_tables(tmp_path)
    file = tmp_path / "interactions.csv"
    file.write_text(file.read_text().replace(",action,", ",?,"))
    found = inferred(tmp_path)
    assert found.config.interactions.event is None and not found.questions
    assert "interactions, '?': left out, since an open setting is called so; rename it" in found.doubts


def test_paths_start_at_the_tomls_folder(tmp_path: Path) -> None:
    write_tables(tmp_path)
    files = [tmp_path / f"{name}.csv" for name in ("customers", "products", "interactions")]
    config = infer_files(*files, tmp_path / "configs" / "mine").config
    assert config.customers.path == "../../customers.csv"
    write_toml(config, tmp_path / "configs" / "mine" / "bank.toml")
    assert len(load_dataset(config, tmp_path / "configs" / "mine").customers) == NUM_CUSTOMERS


def test_the_toml_reads_back_to_the_same_config(tmp_path: Path) -> None:
    config = write_tables(tmp_path)
    write_toml(config, tmp_path / "bank.toml")
    text = (tmp_path / "bank.toml").read_text()
    assert DataConfig.model_validate(tomllib.loads(text)["data"]) == config
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".csv"] == ["bank.toml"]
    assert "# The column that dates a row" in text
    assert 'income = { role = "number", transform = "log1p" }' in text


def test_suggested_rules_hold_once_their_marks_are_removed(tmp_path: Path) -> None:
    config = write_tables(tmp_path)
    compared = [(rule.customer, rule.op, rule.product) for rule in suggest_rules(config)]
    assert compared == [
        ("income", ">=", "min_income"),
        ("age", "<=", "maximum age"),
        ("risk_tolerance", ">=", "risk_level"),
    ]
    words = config.products.columns | {"Mindesteinkommen": ColumnConfig(role="number")}
    products = config.products.model_copy(update={"columns": words})
    ours = config.customers.columns | {"Einkommen": ColumnConfig(role="number")}
    german = config.model_copy(
        update={"products": products, "customers": config.customers.model_copy(update={"columns": ours})}
    )
    assert ("Einkommen", ">=", "Mindesteinkommen") in [(r.customer, r.op, r.product) for r in suggest_rules(german)]
    before, suggested = to_toml(config).split("Remove the # of those that hold.\n")
    uncommented = before + "\n".join(line.removeprefix("#").strip() for line in suggested.splitlines())
    rules = DataConfig.model_validate(tomllib.loads(uncommented)["data"]).policy.rules
    assert list(rules) == suggest_rules(config)


def test_names_and_texts_of_any_kind_survive_the_toml() -> None:
    odd = 'a "b" \\ \t \x7f \x00 é 😀 [x] #'
    config = DataConfig(
        customers=EntityConfig(path=odd, id=odd, columns={"b": ColumnConfig(role="boolean")}),
        products=EntityConfig(
            path="sqlite:///x", query="SELECT\n1", id="p", columns={f"{odd}2": ColumnConfig(role="number", unit=odd)}
        ),
        interactions=InteractionsConfig(path="i.csv", acquire=("x", odd), release=()),
        windows=WindowsConfig(test_cutoff=date(2023, 5, 6)),
        policy=PolicyConfig(
            rules=(
                Rule(product=f"{odd}2", op=">", value=1e-9, reason=odd),
                Rule(customer="b", op="==", value=True, reason="r", missing="allow"),
            )
        ),
    )
    assert DataConfig.model_validate(tomllib.loads(to_toml(config))["data"]) == config


def test_features_that_can_be_no_inputs_are_left_out(tmp_path: Path) -> None:
    write_tables(tmp_path)
    for name in ("net income", "K", "self", "Income", "größe"):
        replace_column(tmp_path, "customers", name, ["1", "2", "3"])
    found = inferred(tmp_path)
    assert not {"net income", "K", "self", "Income", "größe"} & found.config.customers.columns.keys()
    doubts = "\n".join(found.doubts)
    assert "customers, 'net income': left out, and no input of the exported model can have this name" in doubts
    assert "customers, 'K': left out, which is the name of an input" in doubts
    assert "customers, 'Income': left out, since the exported model would take it and 'income' for one" in doubts
    columns = {"Income": ColumnConfig(role="number"), "K": ColumnConfig(role="number")}
    customers = found.config.customers.model_copy(update={"columns": found.config.customers.columns | columns})
    with pytest.raises(ValidationError, match=r"column 'K', which is the name[\s\S]*2 columns called 'income'"):
        DataConfig.model_validate(found.config.model_dump() | {"customers": customers.model_dump()})


def test_inference_does_not_depend_on_the_order_of_rows(tmp_path: Path) -> None:
    config = write_tables(tmp_path)
    rng = np.random.default_rng(0)
    for name in ("customers", "products", "interactions"):
        header, *rows = (tmp_path / f"{name}.csv").read_text().splitlines()
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *rng.permutation(rows)]) + "\n")
    assert infer(tmp_path) == config


def replace_column(folder: Path, table: str, name: str, values: list[str], delimiter: str = ",") -> None:
    """Write other values into a column of a file that `write_tables` wrote, in turn, or add it."""
    path = folder / f"{table}.csv"
    header, *rows = (line.split(delimiter) for line in path.read_text().splitlines())
    place = header.index(name) if name in header else len(header)
    rows = [[*row[:place], values[number % len(values)], *row[place + 1 :]] for number, row in enumerate(rows)]
    header = [*header[:place], name, *header[place + 1 :]]
    path.write_text("\n".join(delimiter.join(cells) for cells in (header, *rows)) + "\n")


@pytest.mark.parametrize(
    ("values", "date_format"),
    [
        (["31.12.2022", "01.02.2023"], "dd.mm.yyyy"),
        (["31/12/2022", "01/02/2023"], "dd/mm/yyyy"),
        (["12/31/2022", "02/01/2023"], "mm/dd/yyyy"),
        (["20221231", "20230201"], "yyyymmdd"),
        (["2022-12", "2023-02"], "yyyy-mm"),
        (["1672531200", "1675209600"], "epoch_s"),
        (["1672531200000", "1675209600000"], "epoch_ms"),
        (["2022-12-31", "2023-02-01T10:00:00Z"], "yyyy-mm-dd"),
        (["31-DEC-22", "01-FEB-23"], "dd-mmm-yy"),
    ],
)
def test_the_notation_of_dates_is_found(tmp_path: Path, values: list[str], date_format: str) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "interactions", "when", values)
    config = infer(tmp_path)
    assert (config.interactions.timestamp, config.interactions.date_format) == ("when", date_format)
    assert config.customers.date_format == "yyyy-mm-dd"
    days = load_dataset(config, tmp_path).interactions.day
    assert days[-1] - days[0] in (31, 32, 59)  # 59: a month stands for its last day


def test_dates_that_could_be_two_are_a_question(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "interactions", "when", ["03/04/2023", "05/06/2023"])
    found = inferred(tmp_path)
    [question] = found.questions
    assert question.why == "'03/04/2023' can be read as dd/mm/yyyy or mm/dd/yyyy"
    write_toml(found.config, tmp_path / "x.toml", questions=found.questions)
    assert 'date_format = "?"' in (tmp_path / "x.toml").read_text()
    with pytest.raises(ValidationError, match="waits for an answer"):
        DataConfig.model_validate(tomllib.loads((tmp_path / "x.toml").read_text())["data"])
    answered = found.answer(question, "mm/dd/yyyy")
    assert not answered.questions and answered.config.interactions.date_format == "mm/dd/yyyy"


def test_another_table_answers_what_one_leaves_open(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "interactions", "when", ["03/04/2023", "05/06/2023"])
    replace_column(tmp_path, "customers", "born", ["31/12/1980", "01/02/1990"])
    config = infer(tmp_path)
    assert (config.interactions.date_format, config.customers.date_format) == ("dd/mm/yyyy", "dd/mm/yyyy")


def test_a_column_may_write_dates_otherwise_than_its_table(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "customers", "joined", ["31.12.2022", "01.02.2023"])
    columns = infer(tmp_path).customers.columns
    assert (columns["born"].date_format, columns["joined"].date_format) == (None, "dd.mm.yyyy")
    assert load_dataset(infer(tmp_path), tmp_path).customers.columns["joined"][0] == 19_357  # 2022-12-31


def test_semicolons_and_decimal_commas_are_found(tmp_path: Path) -> None:
    write_tables(tmp_path)
    path = tmp_path / "customers.csv"
    path.write_text(path.read_text().replace(",", ";"))
    replace_column(tmp_path, "customers", "income", ["1.234,50", "99,90", "7"], ";")
    replace_column(tmp_path, "customers", "years", ["1.5", "2.25"], ";")
    config = infer(tmp_path)
    assert (config.customers.delimiter, config.customers.decimal) == (";", ",")
    years = config.customers.columns["years"]
    assert (years.role, years.decimal) == ("number", ".")  # 2.25 is no group of thousands
    assert load_dataset(config, tmp_path).customers.columns["years"][:2].tolist() == [1.5, 2.25]
    assert config.customers.columns["income"].role == "number"
    assert load_dataset(config, tmp_path).customers.columns["income"][:3].tolist() == pytest.approx([1234.5, 99.9, 7])


def test_a_comma_that_may_be_decimal_is_a_question(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "products", "min_income", ['"1,234"', '"5,678"'])
    [question] = inferred(tmp_path).questions
    assert question.why == "'1,234' can be read as , or ."
    config = inferred(tmp_path).answer(question, ".").config
    assert load_dataset(config, tmp_path).products.columns["min_income"][0] == 1234


@pytest.mark.parametrize(
    ("words", "acquire", "release", "interest", "refuse", "ignore"),
    [
        (["Eröffnung", "Kündigung", "Ansicht"], ["Eröffnung"], ["Kündigung"], ["Ansicht"], [], []),
        (["alta", "baja"], ["alta"], ["baja"], [], [], []),
        (["založení", "výpověď", "odmítnuto"], ["založení"], ["výpověď"], [], ["odmítnuto"], []),
        (["inception", "lapse", "claim"], ["inception"], ["lapse"], [], [], ["claim"]),
        (["Sign-Up", "ENDED", "page view", "opt_out"], ["Sign-Up"], ["ENDED"], ["page view"], ["opt_out"], []),
    ],
)
def test_events_are_known_by_meaning(
    tmp_path: Path,
    words: list[str],
    acquire: list[str],
    release: list[str],
    interest: list[str],
    refuse: list[str],
    ignore: list[str],
) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "interactions", "action", words)
    source = infer(tmp_path).interactions
    found = [source.acquire, source.release, source.interest, source.refuse, source.ignore]
    assert found == [tuple(kind) for kind in (acquire, release, interest, refuse, ignore)]


def test_words_that_are_not_known_are_a_question(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "interactions", "action", ["open", "X7", "X7", "close"])
    found = inferred(tmp_path)
    [question] = found.questions
    assert question == EventQuestion("action", ("X7",))
    write_toml(found.config, tmp_path / "x.toml", questions=found.questions)
    text = (tmp_path / "x.toml").read_text()
    assert 'event = "?"' in text and 'acquire = ["open"]' in text
    assert "QUESTION: column 'action' may say what happened: what do 'X7' mean?" in text
    with pytest.raises(ValidationError, match="waits for an answer"):
        DataConfig.model_validate(tomllib.loads(text)["data"])
    source = found.answer(question, {"X7": "interest"}).config.interactions
    assert (source.event, source.acquire, source.interest) == ("action", ("open",), ("X7",))
    source = found.answer(question, {}).config.interactions
    assert (source.event, source.acquire, source.release) == (None, ("open",), ("close",))


def test_the_questions_of_a_toml_are_answered_there(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "interactions", "action", ["X1", "X2"])
    found = inferred(tmp_path)
    write_toml(found.config, tmp_path / "x.toml", questions=found.questions)
    answered = (tmp_path / "x.toml").read_text().replace('event = "?"', 'event = "action"')
    answered = answered.replace("acquire = []", 'acquire = ["X1"]').replace("ignore = []", 'ignore = ["X2"]')
    config = DataConfig.model_validate(tomllib.loads(answered)["data"])
    assert len(load_dataset(config, tmp_path).interactions) == NUM_CUSTOMERS / 2


def test_what_looks_wrong_is_a_doubt(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "customers", "income", ["1000", "2000.5", "3000", "unknown"])
    replace_column(tmp_path, "interactions", "client", [*(f"K{row:04d}" for row in range(99)), "K9999"])
    replace_column(tmp_path, "interactions", "action", ["1"])
    doubts = inferred(tmp_path).doubts
    assert (
        "customers, 'income': most values are numbers, but not all ('unknown'), so it is taken for category" in doubts
    )
    assert any("1 of 100 customers are not in the customers' file, which spells ids 'K0000' where" in d for d in doubts)
    assert "interactions: no column says what happened, so every row is an acquisition" in doubts


def test_names_and_units_are_known_by_meaning(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "products", "name", ["Konto"])
    replace_column(tmp_path, "products", "Bezeichnung", [f"Fonds {row}" for row in range(NUM_PRODUCTS)])
    replace_column(tmp_path, "products", "duration_months", ["0", "12", "24"])
    replace_column(tmp_path, "products", "fee_eur", ["1.5", "2"])
    config = infer(tmp_path)
    assert config.products.name == "name"
    duration = config.products.columns["duration_months"]
    assert (duration.unit, duration.zero_means) == ("months", "open-ended")
    assert config.products.columns["fee_eur"].unit == "EUR" and config.customers.columns["age"].unit == "years"
    path = tmp_path / "products.csv"
    path.write_text(path.read_text().replace("id,name,", "id,family,"))
    assert infer(tmp_path).products.name == "Bezeichnung"


def test_short_codes_are_a_category_in_a_small_catalogue(tmp_path: Path) -> None:
    write_tables(tmp_path)
    replace_column(tmp_path, "products", "category", [f"c{row % 17}" for row in range(NUM_PRODUCTS)])
    config = infer(tmp_path)
    assert config.products.columns["category"].role == "category" and config.policy.category_column == "category"
