"""The index of an export: one page in French that opens offline in any browser, with nothing active and nothing from
elsewhere. It names every document, those that could not be given whole too.

Accessible (RGAA 4, WCAG 2.2 AA): one language, headings in order, tables with captions and headers, links that say
where they lead, no information by colour alone.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from passerelle.audit.journal import JournalLine
from passerelle.dossier.portability_beside import Portion
from passerelle.dossier.portability_journal import Lines
from passerelle.dossier.traces import sentence_of
from passerelle.kernel import messages
from passerelle.kernel.clock import PARIS

IDENTITY: Final = "donnees/identite.json"
LIFE: Final = "donnees/dossier.json"
RIGHTS: Final = "donnees/droits.json"
NOTICES: Final = "donnees/avis.json"
DOCUMENTS: Final = "donnees/documents.json"
MANIFEST: Final = "manifeste.json"

_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto; max-width: 70rem;
  padding: 1.5rem; overflow-wrap: break-word; }
h1, h2 { color: #2b4c7e; } table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
caption { text-align: left; padding: .25rem 0; } th, td { border: 1px solid #767676; padding: .3rem .6rem;
  text-align: left; vertical-align: top; } th { background: #eef2f8; } a { color: #1a4480; }
.warning { border-left: 4px solid #b34000; padding-left: .75rem; }
"""
_STATUSES: Final = {"current": "en vigueur", "superseded": "ancienne version", "archived": "archivé"}
_STATES: Final = {
    "whole": "",
    "altered": "Altéré : le fichier joint s’arrête avant l’altération, ou n’est pas celui qui a été déposé.",
    "unreadable": "Illisible : ce document n’a pas pu être joint.",
    "elsewhere": "Conservé par un autre réseau de santé, qui vous le remet avec ce qu’il garde de votre dossier.",
}
_RELATIONS: Final = {
    "authorized": "Autorisation",
    "attending_physician": "Médecin traitant",
    "representative": "Représentant",
    "heir": "Ayant droit",
}


@dataclass(slots=True, kw_only=True)
class Exported:
    """What became of one document: `entry` is its metadata, `file` and `reading` where it is in the archive."""

    entry: Mapping[str, Any]
    file: str | None = None
    reading: str | None = None
    state: Literal["whole", "altered", "unreadable", "elsewhere"] = "whole"


def index(
    network: str,
    at: datetime,
    data: Mapping[str, Any],
    documents: Sequence[Exported],
    lines: Lines | None,
    portions: Sequence[Portion] = (),
) -> bytes:
    """The page. `data` is what the archive holds by path; without `lines`, its reader has no journal."""
    altered = [each for each in documents if each.state in ("altered", "unreadable")]
    elsewhere = [each for each in documents if each.state == "elsewhere"]
    parts = [
        f"<p>Export fait le {_instant(at)} par {_text(network)}. {_identity(data.get(IDENTITY, {}))}</p>",
        _warning("Documents incomplets", _INCOMPLETE, altered),
        _warning("Documents conservés ailleurs", _NOT_JOINED, elsewhere),
        _documents(documents),
        *(_portion(each) for each in portions),
    ]
    if RIGHTS in data:
        parts.append(_rights(data[RIGHTS]))
    if LIFE in data:
        parts.append(_life(data[LIFE]))
    if NOTICES in data:
        parts.append(_notices(data[NOTICES]))
    if lines is not None:
        parts.append(_journal(lines))
    parts.append(_files(data, has_journal=lines is not None))
    page = (
        '<!DOCTYPE html>\n<html lang="fr"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" '
        f'content="no-referrer"><title>Votre dossier partagé</title><style>{_STYLE}</style></head>\n'
        f"<body><main><h1>Votre dossier partagé</h1>\n{chr(10).join(parts)}\n</main></body></html>\n"
    )
    return page.encode()


def _identity(said: Mapping[str, Any]) -> str:
    names = " ".join([*said.get("givenNames", ()), said.get("familyName") or ""]).strip()
    return f"Dossier de {_text(names)}." if names else ""


_INCOMPLETE: Final = "Ces documents n’ont pas pu être donnés entiers. Signalez-le à votre réseau de santé."
_NOT_JOINED: Final = "Ces documents figurent à votre dossier sans y être joints."


def _warning(title: str, why: str, documents: Sequence[Exported]) -> str:
    if not documents:
        return ""
    listed = "".join(f"<li>{_text(each.entry['title'])} : {_text(_STATES[each.state])}</li>" for each in documents)
    return f'<section class="warning"><h2>{title}</h2><p>{why}</p><ul>{listed}</ul></section>'


def _documents(documents: Sequence[Exported]) -> str:
    rows = [
        (
            _instant(each.entry["actAt"]),
            _text(each.entry["type"]["label"]),
            _title(each),
            _text(", ".join(_author(author) for author in each.entry["authors"])),
            _text(", ".join(_marks(each))),
        )
        for each in documents
    ]
    return _section(
        "Documents", _table("Du plus récent au plus ancien.", ("Date", "Type", "Document", "Auteur", "État"), rows)
    )


def _portion(said: Portion) -> str:
    rows = [[_text(cell) for cell in row] for row in said.rows]
    inside = _table(said.caption, said.heads, rows) if rows else f"<p>{_text(said.caption)}</p>"
    return _section(said.title, inside)


def _title(each: Exported) -> str:
    title = _text(each.entry["title"])
    shown = f'<a href="{_text(each.file)}">{title}</a>' if each.file else title
    if each.reading:
        shown += f' (<a href="{_text(each.reading)}">lire « {title} » mis en page</a>)'
    return shown


def _author(author: Mapping[str, Any]) -> str:
    name = " ".join(str(author[part]) for part in ("given_name", "family_name") if author.get(part))
    return name or str(author.get("structure_name") or "")


def _marks(each: Exported) -> Iterable[str]:
    yield _STATUSES.get(each.entry["status"], each.entry["status"])
    if each.entry["masked"]:
        yield "masqué aux professionnels"
    if each.entry["hiddenFromRepresentatives"]:
        yield "caché aux représentants"
    if each.entry["byPatient"]:
        yield "déposé par vous"
    if each.state != "whole":
        yield _STATES[each.state]


def _rights(said: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    rows = [(_RELATIONS.get(each["relation"], each["relation"]), _who(each), each) for each in said["relations"]]
    rows += [("Équipe de soins", str(each["team"]), each) for each in said["teamConsents"]]
    rows += [("Blocage", _who(each), each) for each in said["blocks"]]
    rows += [("Document caché à un professionnel", _who(each), each) for each in said["withheldDocuments"]]
    rows += [("Opposition aux accès en urgence", "", each) for each in said["emergencyObjections"]]
    rows += [("Opposition aux demandes des ayants droit", "", each) for each in said["heirsObjections"]]
    rows += [("Accès en urgence", f"{each['name']} ({_who(each)})", each) for each in said["emergencyAccesses"]]
    shown = [
        (_text(what), _text(who), _instant(each["validFrom"]), _instant(each["validUntil"])) for what, who, each in rows
    ]
    caption = "Tout ce qui a ouvert ou fermé ce dossier à quelqu’un."
    return _section("Droits d’accès", _table(caption, ("Quoi", "Qui", "Depuis", "Jusqu’au"), shown))


def _who(said: Mapping[str, Any]) -> str:
    return f"RPPS {said['rpps']}" if "rpps" in said else "une personne"


def _life(said: Mapping[str, Any]) -> str:
    rows = [
        (_instant(each["at"]), _text(_told("dossier", each["act"])), _text(each["proof"] or ""))
        for each in said["acts"]
    ]
    return _section("Vie du dossier", _table("Les actes, du premier au dernier.", ("Date", "Acte", "Preuve"), rows))


def _notices(said: Sequence[Mapping[str, Any]]) -> str:
    rows = [(_instant(each["postedAt"]), _text(each["sentence"])) for each in said]
    return _section("Avis reçus", _table("Ce dont vous avez été averti.", ("Date", "Avis"), rows))


def _journal(lines: Lines) -> str:
    rows = [(_instant(each.at), _text(each.actor_name), _text(_line(each))) for each in lines.shown]
    caption = f"Les {len(lines.shown)} lignes les plus récentes, sur {lines.count}."
    young = len(lines.unsealed)
    told = f"Pas encore scellées, donc sans preuve : {young}." if young else "Toutes sont scellées."
    own = "Les lignes de cet export lui-même n’y sont pas : elles ne sont scellées qu’après lui, le suivant les donne."
    return _section("Journal des accès", f"<p>{told} {own}</p>" + _table(caption, ("Date", "Qui", "Quoi"), rows))


def _line(line: JournalLine) -> str:
    return sentence_of(line.kind, line.action, line.outcome, line.rule)


def _told(kind: str, action: str) -> str:
    return messages.sentence(f"JOURNAL_{kind}_{action}".upper(), {})


def _files(data: Mapping[str, Any], *, has_journal: bool) -> str:
    paths = [*data, DOCUMENTS, *(["journal/journal.json"] if has_journal else []), MANIFEST]
    listed = "".join(f'<li><a href="{path}">{path}</a></li>' for path in paths)
    return _section(
        "Pour un logiciel",
        "<p>Les mêmes données en JSON ; le manifeste donne l’empreinte SHA-256 de chaque fichier.</p>"
        f"<ul>{listed}</ul>",
    )


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{title}</h2>{inside}</section>"


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are markup already."""
    if not rows:
        return "<p>Rien.</p>"
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _instant(at: datetime | None) -> str:
    return f"{at.astimezone(PARIS):%d/%m/%Y à %H:%M}" if at is not None else ""


def _text(words: str | None) -> str:
    return html.escape(words or "")
