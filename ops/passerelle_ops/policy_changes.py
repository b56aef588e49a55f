"""What `passerelle policy diff` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.markup import escape

from passerelle_ops.terminal import output, say, table
from passerelle_policies import nomenclatures
from passerelle_policies.comparison import Comparison, LineChange, RightsChange
from passerelle_policies.matrix import NO_TYPE
from passerelle_policies.packs import Pack, Parameter
from passerelle_policies.vocabulary import Mode, Setting
from passerelle_policies.words import (
    ACT_WORDS,
    CONCEALMENT_WORDS,
    MODE_WORDS,
    RELATION_WORDS,
    ROLE_WORDS,
    SETTING_WORDS,
)

_FEW = 12  # types that a cell names one by one


def as_document(comparison: Comparison) -> dict[str, object]:
    """The comparison as a JSON object."""
    return {
        "before": comparison.before.name,
        "after": comparison.after.name,
        "rights": [
            {
                "role": each.role,
                "relations": each.relations,
                "settings": each.settings,
                "kind": each.kind,
                "action": each.action,
                "modes": each.modes,
                "concealments": each.concealments,
                "on_open_record": each.on_open_record,
                "is_gained": bool(each.gained),
                "is_lost": bool(each.lost),
                "types_gained": _labelled(each.gained),
                "types_lost": _labelled(each.lost),
            }
            for each in comparison.rights
        ],
        "parameters": [
            {
                "name": each.name,
                "before": _value(each.before),
                "after": _value(each.after),
                "source": _source(each.after),
            }
            for each in comparison.parameters
        ],
        "lines": [
            {
                "rule": each.rule,
                "change": _what(each),
                "before": each.before.source if each.before else None,
                "after": each.after.source if each.after else None,
            }
            for each in comparison.lines
        ],
    }


def show(comparison: Comparison) -> None:
    """Who gains or loses what, then the values, then the lines that stand otherwise."""
    say("POLICY_COMPARED", before=comparison.before.name, after=comparison.after.name)
    if comparison.rights:
        columns = ["Qualité", "À quel titre", "Acte", "Quand", "Gagne", "Perd"]
        rows = [_right(each, comparison) for each in comparison.rights]
        output().print(table("Droits", columns, rows))
    else:
        say("POLICY_SAME_RIGHTS")
    if comparison.parameters:
        rows = [
            [each.name, _shown(each.before), _shown(each.after), escape(_meaning(each.after or each.before))]
            for each in comparison.parameters
        ]
        output().print(table("Paramètres", ["Paramètre", "Avant", "Après", "Ce que c’est"], rows))
    if comparison.lines:
        words = {"added": "ajoutée", "removed": "retirée", "changed": "change", "reworded": "autre texte ou rédaction"}
        rows = [
            [each.rule, words[_what(each)], escape(it.source) if (it := each.after or each.before) else ""]
            for each in comparison.lines
        ]
        output().print(table("Lignes", ["Ligne", "Changement", "Texte"], rows))


def _right(change: RightsChange, comparison: Comparison) -> list[str]:
    about_documents = NO_TYPE not in {*change.gained, *change.lost}
    modes = "tout mode" if set(change.modes) == set(Mode) else ", ".join(MODE_WORDS[mode] for mode in change.modes)
    if about_documents:
        what = ", ".join(CONCEALMENT_WORDS[each] for each in change.concealments)
    else:
        what = "dossier ouvert" if change.on_open_record else "dossier non ouvert"
    if change.settings and set(change.settings) != set(Setting):
        modes += " ; depuis " + ", ".join(SETTING_WORDS[setting] for setting in change.settings)
    return [
        ROLE_WORDS[change.role],
        ", ".join(RELATION_WORDS[each] for each in change.relations),
        ACT_WORDS[change.kind, change.action],
        f"{modes} ; {what}",
        _types(change.gained, comparison.after, "green"),
        _types(change.lost, comparison.before, "red"),
    ]


def _types(codes: Sequence[str], pack: Pack, colour: str) -> str:
    """Types by name, or by whole classes when they are many."""
    if not codes:
        return ""
    if NO_TYPE in codes:
        return f"[{colour}]cet acte[/]"
    if frozenset(codes) == pack.dmp_types:
        return f"[{colour}]tous les types du DMP ({len(codes)})[/]"
    told = _by_class(codes, pack) if len(codes) > _FEW else map(_named, codes)
    return f"[{colour}]" + "\n".join(escape(each) for each in told) + "[/]"


def _by_class(codes: Sequence[str], pack: Pack) -> Iterable[str]:
    by_class: dict[str, list[str]] = {}
    for code in codes:
        by_class.setdefault(pack.class_of(code).code, []).append(code)
    for class_code, found in by_class.items():
        label = pack.class_of(found[0]).label
        whole = pack.groups.get(f"class:{class_code}", frozenset())
        but = sorted(whole - frozenset(found))
        if not but:
            yield f"{label} : tous ({len(found)})"
        elif len(but) < len(found):
            yield f"{label} ({len(found)} sur {len(whole)}) : tous sauf {', '.join(map(_named, but))}"
        else:
            yield f"{label} ({len(found)} sur {len(whole)}) : {', '.join(map(_named, found))}"


def _named(code: str) -> str:
    found = nomenclatures.document_type(code)
    return f"{found.label} ({code})" if found else code


def _labelled(codes: Sequence[str]) -> list[Mapping[str, str]]:
    types = nomenclatures.document_types()
    return [{"code": code, "label": types[code].label} for code in codes if code in types]


def _what(change: LineChange) -> str:
    before, after = change.before, change.after
    if before is None or after is None:
        return "added" if before is None else "removed"
    same = (
        "roles",
        "relations",
        "settings",
        "kind",
        "types",
        "actions",
        "modes",
        "even_if",
        "needs_open_dossier",
        "when",
        "effect",
    )
    return "reworded" if all(getattr(before, name) == getattr(after, name) for name in same) else "changed"


def _value(parameter: Parameter | None) -> object:
    return parameter.value if parameter else None


def _shown(parameter: Parameter | None) -> str:
    match _value(parameter):
        case None:
            return "—"
        case bool(said):
            return "oui" if said else "non"
        case value:
            return escape(str(value))


def _source(parameter: Parameter | None) -> str | None:
    return parameter.source if parameter else None


def _meaning(parameter: Parameter | None) -> str:
    return f"{parameter.meaning} ({parameter.source})" if parameter else ""
