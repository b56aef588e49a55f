"""Vérifier un export du journal : `python verifier.py EXPORT [--key EMPREINTE] [--earlier EXPORT] [--whole]`.

This file stands alone: the standard library and `cryptography`, nothing of Passerelle. It goes into each export,
and the platform itself takes from here the forms of a line and of a head, so that both always agree.

A line is written as canonical JSON: its columns that are not null and `form`, keys in the order of their code
points, no spaces, UTF-8, instants in UTC with microseconds, numbers exact and without superfluous zeros. Its leaf
is SHA-256(0x00 ‖ that text); nodes, inclusion and consistency proofs are those of RFC 9162, section 2.1. A head is
canonical JSON too, signed with Ed25519 (RFC 8032), and holds the SHA-256 of the head before it. When the retention
of the oldest lines is over they are pruned: a statement signed alike says below which place, and under which head.
When another key signs from now on, both keys state it, with the last head that the former signed: from then on the
newer one vouches for it.

Exit codes: 0 every line is proven · 1 something was changed · 2 the export cannot be read · 3 nothing is wrong,
but not all is proven: some lines are too young, no `--key` says whose the signature must be, or `cryptography`, which
checks signatures, is not installed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:
    sys.stderr.write("✗ Il manque la bibliothèque « cryptography », qui vérifie les signatures : rien n'est vérifié. ")
    sys.stderr.write("Installez-la (python -m pip install cryptography), puis relancez.\n")
    sys.exit(3)

EXPORT_FORM = "passerelle-journal-export/1"
LINE_FORM = "passerelle-journal-line/1"
HEAD_FORM = "passerelle-journal-head/1"
PRUNING_FORM = "passerelle-journal-pruning/1"
SUCCESSION_FORM = "passerelle-key-succession/1"
FIRST_HEAD = "0" * 64
EMPTY_ROOT = hashlib.sha256().digest()
EXPORT_NAME = "journal.json"
RECORD_EXPORT_NAME = f"journal/{EXPORT_NAME}"
HEAD_FIELDS = ("form", "tenant", "tree_size", "root", "sealed_at", "previous_head", "key_id")
#: `from` and `below` are places of the tree: `lines` were removed between them, and nothing older is left.
PRUNING_FIELDS = (
    *("form", "tenant", "from", "below", "lines", "root", "sealed_at", "until", "at", "by", "rule", "pack"),
    *("parameter", "years", "source", "key_id"),
)
#: Heads up to `tree_size` (then with that root and hash) and prunings below `pruned` are of the key `former`.
SUCCESSION_FIELDS = ("form", "tenant", "at", "former", "key", "tree_size", "root", "head", "pruned")
_NAMED = 100  # runs of places that an export which should be whole lacks
_EXPORT_LIMIT = 1 << 31
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)

SENTENCES = {
    "EXPORT_UNREADABLE": "Ce fichier n'est pas un export de journal lisible : {about}.",
    "KEY_DIFFERS": "L'export n'est pas signé par la clé attendue ({about}).",
    "KEY_ID_FALSE": "L'empreinte annoncée n'est pas celle de la clé jointe ({about}).",
    "HEAD_MALFORMED": "La tête {about} n'a pas la forme attendue.",
    "HEAD_SIGNATURE": "La signature de la tête {about} n'est pas celle de la clé.",
    "LINE_NOT_PROVEN": "La ligne {about} n'est pas celle qui a été scellée.",
    "LINE_TWICE": "La ligne {about} est donnée deux fois, ou la place qu'elle dit tenir est celle d'une autre.",
    "LINE_MISSING": "La ligne à la place {about} manque, et aucun élagage signé ne la couvre.",
    "PRUNING_FALSE": "L'élagage annoncé sous la place {about} n'est pas celui que le réseau a signé.",
    "SUCCESSION_FALSE": "La succession de clé annoncée à la place {about} n'est pas celle que le réseau a signée.",
    "EARLIER_UNSEALED": "L'export plus ancien n'a pas de tête : il ne prouve rien du journal d'alors.",
    "HEAD_NOT_CONSISTENT": "Le journal de la tête {about} n'est pas le début du journal présenté : il a été réécrit.",
}


class Unreadable(ValueError):
    """Not an export at all."""


def canonical(value: Any) -> bytes:
    """The one text of a JSON value."""
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except TypeError:  # a number that is not whole: much slower, and rare
        return _text(value).encode("utf-8")


def read_json(text: str | bytes) -> Any:
    """JSON whose numbers are kept exact, whatever their length. A name given twice is a ValueError."""
    return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8"))


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    # Who reads the first of two and who reads the last would not read the same line.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


_DECODER = json.JSONDecoder(parse_float=Decimal, object_pairs_hook=_object)


def _text(value: Any) -> str:
    match value:
        case None | bool() | int() | str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            digits = format(value, "f")
            digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
            return "0" if digits in ("-0", "") else digits
        case Mapping():
            return "{" + ",".join(f"{_text(key)}:{_text(value[key])}" for key in sorted(value)) + "}"
        case list() | tuple():
            return "[" + ",".join(map(_text, value)) + "]"
    raise TypeError(f"no canonical form for {type(value).__name__}")


def leaf_hash(data: bytes) -> bytes:
    """The leaf of a line (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node above two (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Is this leaf at this place of the tree of that root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, above = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            above = node_hash(sibling, above)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            above = node_hash(above, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and above == root


def continues(first: int, first_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Is the tree of `first` leaves the beginning of that of `size` leaves (RFC 9162, 2.1.4.2)."""
    if not 0 <= first <= size:
        return False
    if first in (0, size):
        return not proof and (first_root == root if first else first_root == EMPTY_ROOT)
    path = list(proof) if first & (first - 1) else [first_root, *proof]
    if not path:
        return False
    place, last = first - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and before == first_root and after == root


def key_id_of(public_key: bytes) -> str:
    """The fingerprint under which a key is made known; its algorithm comes first, so that another may follow."""
    return f"ed25519:{hashlib.sha256(public_key).hexdigest()}"


def head_text(head: Mapping[str, Any]) -> bytes:
    """What is signed, and what the next head holds the SHA-256 of."""
    return canonical({name: head[name] for name in HEAD_FIELDS})


def pruning_text(statement: Mapping[str, Any]) -> bytes:
    """What is signed of a pruning."""
    return canonical({name: statement[name] for name in PRUNING_FIELDS})


def is_pruning(statement: Mapping[str, Any], tenant: str, public_key: bytes) -> bool:
    """Did this network's key state this pruning, and nothing beside it."""
    return (
        set(statement) == {*PRUNING_FIELDS, "signature"}
        and (statement["form"], statement["tenant"]) == (PRUNING_FORM, tenant)
        and statement["key_id"] == key_id_of(public_key)
        and 0 <= statement["from"] < statement["below"]
        and is_signed(pruning_text(statement), bytes.fromhex(statement["signature"]), public_key)
    )


def succession_text(statement: Mapping[str, Any]) -> bytes:
    """What both keys sign of a succession."""
    return canonical({name: statement[name] for name in SUCCESSION_FIELDS})


def is_succession(statement: Mapping[str, Any], tenant: str) -> bool:
    """Did both keys state this succession, and nothing beside it."""
    text, signers = succession_text(statement), (("former", "by_former"), ("key", "by_key"))
    return (
        set(statement) == {*SUCCESSION_FIELDS, "by_former", "by_key"}
        and (statement["form"], statement["tenant"]) == (SUCCESSION_FORM, tenant)
        and 0 <= statement["pruned"] <= statement["tree_size"]
        and all(is_signed(text, bytes.fromhex(statement[by]), bytes.fromhex(statement[of])) for of, by in signers)
    )


def key_at(successions: Sequence[Mapping[str, Any]], size: int, newest: bytes, limit: str = "tree_size") -> bytes:
    """The key of a head of that size (by `pruned`: of a pruning below that place); successions from the oldest on."""
    return next((bytes.fromhex(each["former"]) for each in successions if size <= each[limit]), newest)


def is_signed(text: bytes, signature: bytes, public_key: bytes) -> bool:
    """Did this key sign this text."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def open_export(path: Path) -> Mapping[str, Any]:
    """An export, as JSON, in its zip or in the zip of a whole record. Raises `Unreadable`."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as folder:
                entry = folder.getinfo(RECORD_EXPORT_NAME if RECORD_EXPORT_NAME in folder.namelist() else EXPORT_NAME)
                if entry.file_size > _EXPORT_LIMIT:
                    raise Unreadable("trop grand")
                text = folder.read(entry)
        else:
            text = path.read_bytes()
        export = read_json(text)
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile) as failure:
        raise Unreadable(type(failure).__name__) from failure
    if not isinstance(export, dict) or export.get("form") != EXPORT_FORM:
        raise Unreadable("format inconnu")
    return export


def faults_of(
    export: Mapping[str, Any],
    *,
    key: str | None = None,
    earlier: Mapping[str, Any] | None = None,
    whole: bool = False,
) -> list[tuple[str, str]]:
    """What is wrong with an export: (code, what it is about). Raises `Unreadable` when a part is missing.

    `key` is the fingerprint that the network publishes: without it, only the export's own key vouches for it.
    `earlier`: an export made before, whose journal must be the beginning of this one's. `whole`: every sealed line of
    the journal should be here, but for those of a signed pruning.
    """
    try:
        return [*_faults(export, key, earlier), *(_missing(export) if whole else ())]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as failure:
        raise Unreadable(f"{type(failure).__name__}") from failure


def _faults(export: Mapping[str, Any], key: str | None, earlier: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    public_key = bytes.fromhex(export["public_key"])
    own, successions = key_id_of(public_key), export.get("successions", [])
    faults = [("KEY_ID_FALSE", export["key_id"])] if export["key_id"] != own else []
    known = [own, *(key_id_of(bytes.fromhex(each["former"])) for each in successions)]
    if key is not None and f"ed25519:{key.removeprefix('ed25519:').lower()}" not in known:
        faults.append(("KEY_DIFFERS", own))
    told = [(head["tree_size"], head["root"]) for head in export["heads"][:-1]]
    followers = [*(each["former"] for each in successions[1:]), public_key.hex()]
    for said, follower in zip(successions, followers, strict=False):
        if not is_succession(said, export["tenant"]) or said["key"] != follower:
            faults.append(("SUCCESSION_FALSE", str(said["tree_size"])))
        told += [(said["tree_size"], said["root"])] if said["tree_size"] else []
    for head in export["heads"]:
        faults += _of_head(head, export["tenant"], successions, public_key)
    newest = export["heads"][-1] if export["heads"] else None
    faults += _of_lines(export["lines"], newest)
    for statement in export.get("pruned", []):
        if not _is_pruning_of(export, statement):
            faults.append(("PRUNING_FALSE", str(statement["below"])))
        told.append((statement["below"], statement["root"]))
    if earlier is not None and not earlier["heads"]:
        faults.append(("EARLIER_UNSEALED", ""))
    elif earlier is not None:
        before = earlier["heads"][-1]
        faults += _of_head(before, export["tenant"], successions, public_key)
        told.append((before["tree_size"], before["root"]))
    proofs = {each["first"]: each["proof"] for each in export["consistency"]}
    for first, root in told:
        if newest is None or not _continues(first, root, newest, proofs.get(first, [])):
            faults.append(("HEAD_NOT_CONSISTENT", str(first)))
    return faults


def _of_head(
    head: Mapping[str, Any], tenant: str, successions: Sequence[Mapping[str, Any]], newest: bytes
) -> list[tuple[str, str]]:
    about, size = str(head["tree_size"]), head["tree_size"]
    signer, text = key_at(successions, size, newest), head_text(head)
    if head["form"] != HEAD_FORM or head["tenant"] != tenant or head["key_id"] != key_id_of(signer):
        return [("HEAD_MALFORMED", about)]
    vouched = all(each["head"] == hashlib.sha256(text).hexdigest() for each in successions if each["tree_size"] == size)
    if not vouched or not is_signed(text, bytes.fromhex(head["signature"]), signer):
        return [("HEAD_SIGNATURE", about)]
    return []


def _of_lines(lines: Sequence[Mapping[str, Any]], head: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    faults = []
    places: set[int] = set()
    ids: set[int] = set()
    for each in lines:
        line, index = each["line"], each["index"]
        about = str(line["line_id"])
        proof = [bytes.fromhex(sibling) for sibling in each["proof"]]
        if index in places or line["line_id"] in ids:
            faults.append(("LINE_TWICE", about))
        elif (
            head is None
            or line["form"] != LINE_FORM
            or not includes(leaf_hash(canonical(line)), index, head["tree_size"], proof, bytes.fromhex(head["root"]))
        ):
            faults.append(("LINE_NOT_PROVEN", about))
        places.add(index)
        ids.add(line["line_id"])
    return faults


def _missing(export: Mapping[str, Any]) -> list[tuple[str, str]]:
    size = export["heads"][-1]["tree_size"] if export["heads"] else 0
    pruned = [each for each in export.get("pruned", []) if _is_pruning_of(export, each)]
    expected, gaps = max((each["below"] for each in pruned), default=0), []
    for place in [*sorted(each["index"] for each in export["lines"]), size]:
        if expected < place:
            gaps.append(f"#{expected}" if place == expected + 1 else f"#{expected}–#{place - 1}")
        expected = max(expected, place + 1)
    return [("LINE_MISSING", each) for each in gaps[:_NAMED]]


def _is_pruning_of(export: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    successions, newest = export.get("successions", []), bytes.fromhex(export["public_key"])
    return is_pruning(said, export["tenant"], key_at(successions, said["below"], newest, "pruned"))


def _continues(first: int, root: str, newest: Mapping[str, Any], proof: Sequence[str]) -> bool:
    siblings = [bytes.fromhex(each) for each in proof]
    return continues(first, bytes.fromhex(root), newest["tree_size"], bytes.fromhex(newest["root"]), siblings)


def main(arguments: Sequence[str] | None = None) -> int:
    """Say in French whether an export holds; the exit code."""
    parser = argparse.ArgumentParser(prog="verifier.py", description="Vérifier un export du journal des accès.")
    parser.add_argument("export", type=Path, help="le fichier journal.json, ou l'archive .zip qui le contient")
    parser.add_argument("--key", metavar="EMPREINTE", help="empreinte de la clé que publie le réseau")
    parser.add_argument("--earlier", type=Path, metavar="EXPORT", help="un export plus ancien, que celui-ci prolonge")
    parser.add_argument("--whole", action="store_true", help="l'export doit être entier : nommer ce qui manque")
    given = parser.parse_args(arguments)
    try:
        export = open_export(given.export)
        earlier = open_export(given.earlier) if given.earlier else None
        faults = faults_of(export, key=given.key, earlier=earlier, whole=given.whole)
        unsealed = [str(line["line_id"]) for line in export["unsealed"]]
    except (Unreadable, KeyError, TypeError) as unreadable:
        _say("✗ " + SENTENCES["EXPORT_UNREADABLE"].format(about=unreadable))
        return 2
    for code, about in faults:
        _say(f"✗ {SENTENCES[code].format(about=about)}  [{code}]")
    head = export["heads"][-1] if export["heads"] else None
    if head is not None:
        _say(f"Réseau {export['tenant']} · journal de {head['tree_size']} lignes, scellé le {head['sealed_at']}")
        _say(f"Clé {export['key_id']}")
        for each in export.get("successions", []):
            _say(f"Clé {key_id_of(bytes.fromhex(each['former']))} : {each['tree_size']} lignes, jusqu'au {each['at']}")
    for each in export.get("pruned", []) if not faults else ():
        _say(f"Élagué le {each['at']} sous la place #{each['below']} : conservation de {each['years']} ans passée.")
    if faults:
        return 1
    _say(f"✓ {len(export['lines'])} lignes, chacune telle qu'elle a été scellée, à sa place.")
    if unsealed:
        _say(f"• Pas encore scellé, donc sans preuve : n° {', '.join(unsealed)}.")
    if not given.key:
        _say("• La clé est celle que donne l'export lui-même, que n'importe qui a pu fabriquer :")
        _say("  comparez-la avec celle que publie le réseau, ou relancez avec --key EMPREINTE.")
    return 3 if unsealed or not given.key else 0


def _say(sentence: str) -> None:
    # What an export holds may be anything: nothing of it drives the terminal.
    sys.stdout.write("".join(each if each.isprintable() else "?" for each in sentence) + "\n")


if __name__ == "__main__":
    sys.exit(main())
