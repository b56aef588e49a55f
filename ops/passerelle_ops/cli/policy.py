"""`passerelle policy check|explain|diff|replay`: the rule packs, before they take effect and once they hold.

The packs, the cases and the decision are part of the distribution: nothing needs to run, but for `explain --actor` and
`replay`, which ask a network. Exit codes: 1 when `check` finds a fault or a case that does not get its answer, and
when a pack cannot be read; 0 for the others, whatever they find.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from passerelle_ops.cli.failures import FAILED, complain
from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import Json, State
from passerelle_ops.cli.policy_explain import About, InsFile, Network, Paper, Who, Why, explain_access
from passerelle_ops.cli.policy_replay import replay

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from passerelle_policies.vocabulary import Action, Kind, Role

_Word = TypeVar("_Word")

app = typer.Typer(
    name="policy",
    help="Les règles d’accès : vérifier les paquets, expliquer une décision, comparer deux paquets.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="PAQUET", help="Nom d’un paquet de règles.")]
AnyName = Annotated[
    str | None, typer.Argument(metavar="[PAQUET]", help="Nom d’un paquet de règles ; tous si rien n’est dit.")
]
Quality = Annotated[
    str | None, typer.Option("--role", metavar="QUALITÉ", help="Colonne de la matrice : physician, ou médecin.")
]
Profession = Annotated[
    str | None, typer.Option("--profession", metavar="CODE", help="Code de profession (TRE_G15), à la place de --role.")
]
Relations = Annotated[
    list[str] | None,
    typer.Option(
        "--relation", metavar="LIEN", help="Lien avec le patient : care_team, ou « équipe de soins ». Répétable."
    ),
]
From = Annotated[
    str | None,
    typer.Option("--setting", metavar="LIEU", help="D’où l’on agit : pharmacy, health_establishment, town."),
]
Act = Annotated[
    str | None,
    typer.Option("--action", metavar="ACTE", help="Ce qui est demandé : read, ou « lire », « lire le journal »."),
]
Subject = Annotated[
    str | None,
    typer.Option("--kind", metavar="OBJET", help="document (avec --type), dossier, journal, dispensation…"),
]
Type = Annotated[str | None, typer.Option("--type", metavar="CODE", help="Type du document (JDV_J07), comme 11488-4.")]
Masked = Annotated[bool, typer.Option("--masked", help="Le document est masqué aux professionnels.")]
FromPatient = Annotated[bool, typer.Option("--hidden-from-patient", help="Il est invisible du patient.")]
FromRepresentatives = Annotated[
    bool, typer.Option("--hidden-from-representatives", help="Il est invisible des représentants.")
]
Status = Annotated[str, typer.Option("--status", metavar="STATUT", help="Statut du document.")]
DossierState = Annotated[
    str, typer.Option("--dossier", metavar="ÉTAT", help="État du dossier ; none s’il n’y en a pas.")
]
Mode = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="MODE",
        help="Mode d’accès : normal (s’il n’est rien dit), break_glass, regulation_centre ; avec --actor, tous.",
    ),
]
Blocked = Annotated[bool, typer.Option("--blocked", help="Le patient a bloqué ce professionnel.")]
Objection = Annotated[bool, typer.Option("--objection", help="Le patient s’est opposé d’avance à l’accès en urgence.")]
Day = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="DATE", help="Jour de la question (AAAA-MM-JJ), ou instant avec --actor ; maintenant sinon."
    ),
]


@app.command(cls=FrenchCommand)
def check(pack: AnyName = None, as_json: Json = False) -> None:
    """Vérifier les paquets de règles : bien formés, sans ligne morte ni contradiction, et les cas qui les éprouvent.

    Chaque type de document doit être couvert. Chaque cas est joué sous le paquet en vigueur au jour qu’il dit. Sort
    avec 1 si un paquet a une faute ou si un cas n’obtient pas la réponse du texte.
    """
    from passerelle_ops.policy_report import report_on, show
    from passerelle_ops.terminal import print_json
    from passerelle_policies.packs import pack_names

    if pack is not None:
        _known(pack)
    reports = [report_on(name) for name in ([pack] if pack else pack_names())]
    if as_json:
        print_json({"packs": [each.as_json() for each in reports]})
    else:
        show(reports)
    raise typer.Exit(0 if all(each.holds for each in reports) else 1)


@app.command(cls=FrenchCommand)
def explain(
    action: Act = None,
    role: Quality = None,
    profession: Profession = None,
    relation: Relations = None,
    setting: From = None,
    kind: Subject = None,
    type_code: Type = None,
    masked: Masked = False,
    hidden_from_patient: FromPatient = False,
    hidden_from_representatives: FromRepresentatives = False,
    status: Status = "current",
    dossier_state: DossierState = "open",
    mode: Mode = None,
    blocked: Blocked = False,
    objection: Objection = False,
    on: Day = None,
    actor: Who = None,
    patient: About = None,
    ins_file: InsFile = None,
    document: Paper = None,
    reason: Why = None,
    tenant: Network = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Expliquer une décision : la règle qui répond, le texte dont elle vient, le paquet en vigueur ce jour-là.

    La question est posée aux règles seules, sans les paramètres propres d’un réseau. « --relation author » veut dire
    auteur du document en question.

    Avec --actor, elle l’est à un réseau : cette personne pouvait-elle lire ce document ce jour-là, et pourquoi ? Ce
    qui était vrai alors est retrouvé dans ce qui est daté ; un jour entier donne chacune de ses réponses, en mode
    normal, en bris de glace tant qu’il l’avait ouvert, et en régulation s’il est venu ainsi ce jour-là. C’est un
    accès : il faut un motif, et le patient le lit dans son journal.
    """
    if actor is not None:
        of_rules = (action, role, profession, relation, setting, kind, type_code, masked, blocked, objection)
        if any(of_rules) or hidden_from_patient or hidden_from_representatives:
            raise typer.BadParameter("le réseau donne lui-même les faits : seul --mode va avec", param_hint="--actor")
        explain_access(
            tenant, actor, patient, ins_file, document, mode=mode, on=on, reason=reason, state=state, as_json=as_json
        )
        return
    if any((patient, ins_file, document, reason, tenant)):
        raise typer.BadParameter("il faut dire qui demande", param_hint="--actor")
    if action is None:
        raise typer.BadParameter("il faut dire ce qui est demandé", param_hint="--action")
    from passerelle_ops.policy_report import tell
    from passerelle_policies import nomenclatures
    from passerelle_policies.decision import DocumentFacts, Facts, decide
    from passerelle_policies.packs import NoPackInForce, pack_on
    from passerelle_policies.vocabulary import Purpose, Relation
    from passerelle_policies.words import MODES, RELATIONS, SETTINGS, STATES, STATUSES

    asked_kind, asked_action = _act(action, kind, with_type=type_code is not None)
    relations = frozenset(_word(each, RELATIONS, "--relation") for each in relation or ())
    if type_code is not None and nomenclatures.document_type(type_code) is None:
        raise typer.BadParameter("ce type de document n’est pas connu (JDV_J07)", param_hint="--type")
    if type_code is None and (masked or hidden_from_patient or hidden_from_representatives or status != "current"):
        raise typer.BadParameter("il faut dire de quel document il s’agit", param_hint="--type")
    facts = Facts(
        role=_role(role, profession),
        relations=relations,
        blocked=blocked,
        dossier_state=_word(dossier_state, STATES, "--dossier"),
        mode=_word(mode or "normal", MODES, "--mode"),
        purpose=Purpose.CARE,
        day=_day(on),
        emergency_objection=objection,
        setting=_word(setting or "none", SETTINGS, "--setting"),
    )
    about = type_code and DocumentFacts(
        type_code=type_code,
        status=_word(status, STATUSES, "--status"),
        masked=masked,
        hidden_from_patient=hidden_from_patient,
        hidden_from_representatives=hidden_from_representatives,
        by_actor=Relation.AUTHOR in relations,
    )
    try:
        with _readable():
            pack = pack_on(facts.day)
    except NoPackInForce as none:
        raise typer.BadParameter("aucun paquet de règles n’est en vigueur ce jour-là", param_hint="--on") from none
    tell(decide(facts, asked_kind, asked_action, about or None), facts, pack, as_json=as_json)


app.command(cls=FrenchCommand)(replay)


@app.command(cls=FrenchCommand)
def diff(before: Name, after: Name, as_json: Json = False) -> None:
    """Comparer deux paquets : qui gagne ou perd quels types de documents, à quel titre, pour quel acte.

    Dit aussi les paramètres qui changent de valeur et les lignes dont le texte ou la rédaction change.
    """
    from passerelle_ops.policy_changes import as_document, show
    from passerelle_ops.terminal import print_json
    from passerelle_policies.comparison import compare
    from passerelle_policies.packs import read_pack

    with _readable():
        packs = read_pack(_known(before)), read_pack(_known(after))
    comparison = compare(*packs)
    if as_json:
        print_json(as_document(comparison))
    else:
        show(comparison)


@contextmanager
def _readable() -> Iterator[None]:
    """Whoever reads a pack that cannot be read is told where it fails."""
    from passerelle_policies.matrix import InvalidPack

    try:
        yield
    except InvalidPack as unreadable:
        complain(f"Un paquet de règles ne se lit pas : {unreadable}", "PACK_UNREADABLE")
        raise typer.Exit(FAILED) from unreadable


def _known(name: str) -> str:
    from passerelle_policies.packs import pack_names

    if name not in pack_names():
        raise typer.BadParameter(f"paquets connus : {', '.join(pack_names())}", param_hint="PAQUET")
    return name


def _word(said: str, words: Mapping[str, _Word], option: str) -> _Word:
    """A word of the matrix, said in French or as the matrix writes it."""
    for french, word in words.items():
        if said.lower() in (french.lower(), str(word).lower()):
            return word
    known = ", ".join(f"{str(word).lower()} ({french})" for french, word in words.items())
    raise typer.BadParameter(f"mots connus : {known}", param_hint=option)


def _act(said: str, kind: str | None, *, with_type: bool) -> tuple[Kind, Action]:
    """What is asked for, from a French act (which says its object) or an action and its object."""
    from passerelle_policies.vocabulary import Kind
    from passerelle_policies.words import ACT_WORDS, ACTS

    act = ACTS.get(said.lower()) if kind is None else None
    if act is None:
        kinds = {each.value: each for each in Kind}
        default = Kind.DOCUMENT if with_type else Kind.DOSSIER
        subject = default if kind is None else _word(kind, kinds, "--kind")
        act = next((each for each in ACT_WORDS if each[0] is subject and said.lower() == each[1].value), None)
        if act is None:
            known = ", ".join(f"{each[1]} ({french})" for each, french in ACT_WORDS.items() if each[0] is subject)
            raise typer.BadParameter(f"actes connus sur {subject} : {known}", param_hint="--action")
    if with_type and act[0] is not Kind.DOCUMENT:
        raise typer.BadParameter("cet acte ne porte pas sur un document", param_hint="--type")
    return act


def _role(role: str | None, profession: str | None) -> Role:
    from passerelle_policies import nomenclatures
    from passerelle_policies.roles import role_of
    from passerelle_policies.vocabulary import ActorKind
    from passerelle_policies.words import ROLES

    if (role is None) == (profession is None):
        raise typer.BadParameter("il faut dire l’un ou l’autre, et pas les deux", param_hint="--role / --profession")
    if role is not None:
        return _word(role, ROLES, "--role")
    if profession is None or nomenclatures.profession(profession) is None:
        raise typer.BadParameter("ce code de profession n’est pas connu (TRE_G15)", param_hint="--profession")
    return role_of(profession, ActorKind.PROFESSIONAL)


def _day(on: str | None) -> date:
    from datetime import date

    from passerelle.kernel.clock import SystemClock, legal_day

    if on is None:
        return legal_day(SystemClock())
    try:
        return date.fromisoformat(on)
    except ValueError as wrong:
        raise typer.BadParameter("il faut une date comme 2026-11-16", param_hint="--on") from wrong
