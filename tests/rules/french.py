"""The words of the cases, as a lawyer writes them, and what they mean to the decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from passerelle_policies.decision import DocumentFacts, Facts
from passerelle_policies.packs import Overrides
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role

CASES = Path(__file__).parent / "cases"
TODAY = date(2026, 11, 21)

ROLES: Mapping[str, Role] = {
    "médecin": Role.PHYSICIAN,
    "pharmacien": Role.PHARMACIST,
    "infirmier": Role.NURSE,
    "chirurgien-dentiste": Role.DENTIST,
    "sage-femme": Role.MIDWIFE,
    "masseur-kinésithérapeute": Role.PHYSIOTHERAPIST,
    "autre profession de santé": Role.OTHER_HEALTH,
    "assistant social": Role.SOCIAL_WORKER,
    "secrétaire": Role.SECRETARY,
    "citoyen": Role.PERSON,
    "établissement": Role.ESTABLISHMENT,
    "exploitant": Role.SYSTEM,
    "sans qualité": Role.OTHER,
}
RELATIONS: Mapping[str, Relation] = {
    "patient": Relation.PATIENT,
    "représentant": Relation.REPRESENTATIVE,
    "médecin traitant": Relation.ATTENDING_PHYSICIAN,
    "équipe de soins": Relation.CARE_TEAM,
    "autorisé": Relation.AUTHORIZED,
    "auteur": Relation.AUTHOR,
}
STATES: Mapping[str, DossierState | None] = {
    "ouvert": DossierState.OPEN,
    "informé": DossierState.INFORMED,
    "suspendu": DossierState.SUSPENDED,
    "fermé": DossierState.CLOSED,
    "purgé": DossierState.PURGED,
    "aucun": None,
}
MODES: Mapping[str, Mode] = {
    "normal": Mode.NORMAL,
    "bris de glace": Mode.BREAK_GLASS,
    "centre 15": Mode.REGULATION_CENTRE,
}
STATUSES: Mapping[str, DocumentStatus] = {
    "en vigueur": DocumentStatus.CURRENT,
    "remplacé": DocumentStatus.SUPERSEDED,
    "archivé": DocumentStatus.ARCHIVED,
    "supprimé": DocumentStatus.DELETED,
}
ACTS: Mapping[str, tuple[Kind, Action]] = {
    "chercher une identité": (Kind.PATIENT, Action.FIND),
    "enregistrer une identité": (Kind.PATIENT, Action.REGISTER),
    "lire une identité": (Kind.PATIENT, Action.READ),
    "consulter le dossier": (Kind.DOSSIER, Action.READ),
    "informer": (Kind.DOSSIER, Action.INFORM),
    "ouvrir le dossier": (Kind.DOSSIER, Action.OPEN),
    "suspendre le dossier": (Kind.DOSSIER, Action.SUSPEND),
    "rétablir le dossier": (Kind.DOSSIER, Action.RESUME),
    "fermer le dossier": (Kind.DOSSIER, Action.CLOSE),
    "rouvrir le dossier": (Kind.DOSSIER, Action.REOPEN),
    "effacer le dossier": (Kind.DOSSIER, Action.PURGE),
    "lire": (Kind.DOCUMENT, Action.READ),
    "publier": (Kind.DOCUMENT, Action.PUBLISH),
    "remplacer": (Kind.DOCUMENT, Action.REPLACE),
    "masquer": (Kind.DOCUMENT, Action.MASK),
    "démasquer": (Kind.DOCUMENT, Action.UNMASK),
    "cacher au patient": (Kind.DOCUMENT, Action.HIDE_FROM_PATIENT),
    "montrer au patient": (Kind.DOCUMENT, Action.SHOW_TO_PATIENT),
    "cacher aux représentants": (Kind.DOCUMENT, Action.HIDE_FROM_REPRESENTATIVES),
    "montrer aux représentants": (Kind.DOCUMENT, Action.SHOW_TO_REPRESENTATIVES),
    "archiver": (Kind.DOCUMENT, Action.ARCHIVE),
    "désarchiver": (Kind.DOCUMENT, Action.UNARCHIVE),
    "supprimer": (Kind.DOCUMENT, Action.DELETE),
    "déplacer": (Kind.DOCUMENT, Action.MOVE),
    "lire le journal": (Kind.JOURNAL, Action.READ),
    "lire les autorisations": (Kind.AUTHORIZATIONS, Action.READ),
    "autoriser": (Kind.AUTHORIZATIONS, Action.GRANT),
    "retirer une autorisation": (Kind.AUTHORIZATIONS, Action.WITHDRAW),
    "bloquer": (Kind.AUTHORIZATIONS, Action.BLOCK),
    "débloquer": (Kind.AUTHORIZATIONS, Action.UNBLOCK),
}
VISIBILITIES = ("masqué", "invisible du patient", "invisible des représentants")
KEYS = {"qui", "lien", "bloqué", "opposition", "dossier", "mode", "le", "fait", "sur", "paramètres", "attendu", "règle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question in French terms, and the answer that the text gives."""

    article: str
    text: str
    facts: Facts
    kind: Kind
    action: Action
    document: DocumentFacts | None
    overrides: Overrides
    expected: str
    rule: str | None


def cases() -> Iterator[Case]:
    """Every case of `cases/*.yaml`: a file holds groups, a group an article and its cases."""
    for file in sorted(CASES.glob("*.yaml")):
        for group in yaml.safe_load(file.read_text("utf-8")):
            for entry in group["cas"]:
                yield _case(group["article"], entry)


def _case(article: str, entry: Mapping[str, Any]) -> Case:
    unknown = entry.keys() - KEYS
    if unknown:
        raise ValueError(f"{article}: unknown words {unknown} in {entry}")
    kind, action = ACTS[entry["fait"]]
    return Case(
        article=article,
        text=f"{article} · " + ", ".join(f"{name} {value}" for name, value in entry.items()),
        facts=Facts(
            role=ROLES[entry["qui"]],
            relations=frozenset(RELATIONS[each] for each in _list(entry.get("lien"))),
            blocked=bool(entry.get("bloqué")),
            dossier_state=STATES[entry.get("dossier", "ouvert")],
            mode=MODES[entry.get("mode", "normal")],
            purpose=Purpose.CARE,
            day=entry.get("le", TODAY),
            emergency_objection=bool(entry.get("opposition")),
        ),
        kind=kind,
        action=action,
        document=_document(entry["sur"], _list(entry.get("lien"))) if "sur" in entry else None,
        overrides=entry.get("paramètres", {}),
        expected=entry["attendu"],
        rule=entry.get("règle"),
    )


def _document(words: Any, relations: list[str]) -> DocumentFacts:
    """`11488-4` or `[11488-4, masqué, archivé]`. Whoever is `auteur` is the author of this document."""
    type_code, *about = _list(words)
    unknown = set(about) - set(VISIBILITIES) - set(STATUSES)
    if unknown:
        raise ValueError(f"unknown words {unknown} about a document")
    return DocumentFacts(
        type_code=str(type_code),
        status=next((STATUSES[each] for each in about if each in STATUSES), DocumentStatus.CURRENT),
        masked="masqué" in about,
        hidden_from_patient="invisible du patient" in about,
        hidden_from_representatives="invisible des représentants" in about,
        by_actor="auteur" in relations,
    )


def _list(words: Any) -> list[str]:
    if words is None:
        return []
    return [str(each) for each in words] if isinstance(words, list) else [str(words)]
