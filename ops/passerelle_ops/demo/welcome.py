"""What `passerelle demo` prints once it runs: who can sign in, what to paste, what each must see."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from passerelle_ops.demo import story
from passerelle_ops.demo.people import DemoPerson, Part
from passerelle_ops.demo.population import STORY_TENANT, casts
from passerelle_ops.demo.signing_in import SignIn
from passerelle_ops.settings import ROOT, Settings
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.terminal import sentence, table

_ASK_DOSSIER = (
    '{"query":"query($ins:InsInput!){patient(by:{ins:$ins}){...on Patient{id familyName}}}",'
    '"variables":{"ins":{"oid":"%s","value":"%s"}}}'
)
_ASK_ME = '{"query":"{me{name kind patientId network{name}}}"}'
_SEES = {
    Part.GP: f"{story.ATTENDING_SEES} documents de Jeanne (tous, sauf celui qu’elle a fait masquer)",
    Part.ONCOLOGIST: f"{story.ONCOLOGIST_SEES} documents, dont le sien, masqué aux autres",
    Part.NURSE: f"{story.NURSE_SEES} documents, au titre de l’équipe (pas le bilan psychologique)",
    Part.PHARMACIST: f"{story.PHARMACIST_SEES} documents, autorisée par Jeanne (pas le bilan psychologique)",
    Part.SOCIAL_WORKER: "1 document : celui du champ social",
    Part.RADIOLOGIST: "1 document : celui dont elle est l’auteur",
    Part.SECRETARY: "refusé : elle dépose, elle ne lit pas",
    Part.BLOCKED: "refusé : Jeanne l’a bloqué",
    Part.OUTSIDER: "refusé, et Jeanne le lit dans son journal",
}


def welcome(settings: Settings, info: StackInfo) -> RenderableType:
    """Everything to begin with."""
    desk = SignIn(settings, info)
    cast, url, program = desk.story, info.url("web"), _program(settings)
    jeanne, child = cast.patient, cast.child
    rows = [
        [escape(who.name), str(part), f"{program} token professional {who.handle}", escape(_SEES[part])]
        for part, who in cast.professionals.items()
        if part in _SEES
    ]
    rows.append(_person_row(program, jeanne, "patiente", f"{story.JEANNE_SEES} documents (pas le TEP à annoncer)"))
    if child.mother is not None:
        sees = (
            f"{story.MOTHER_SEES} documents de son fils {child.patient.given_name} (pas la consultation confidentielle)"
        )
        rows.append(_person_row(program, child.mother, "mère d’un mineur", sees))
    oncologist = cast.professionals[Part.ONCOLOGIST]
    rows.append(
        [
            "DossiMed",
            "logiciel",
            f"{program} token software {oncologist.handle}",
            f"comme {oncologist.name}, nommé au journal",
        ]
    )
    return Group(
        table(f"Qui peut se connecter ({STORY_TENANT})", ["Qui", "Rôle", "Jeton", "Ce qu’il voit"], rows),
        _networks(settings, url),
        Text.from_markup(sentence("DEMO_PASTE")),
        *(Text(f"\n# {what}\n{command}") for what, command in _commands(url, program, jeanne)),
        Text.from_markup("\n" + sentence("DEMO_RUNS", url=url)),
    )


def _person_row(program: str, who: DemoPerson, part: str, sees: str) -> list[str]:
    return [escape(who.name), part, f"{program} token person {who.handle}", escape(sees)]


def _networks(settings: Settings, url: str) -> RenderableType:
    rows = [
        [tenant_id, f"{url}/{tenant_id}/graphql", escape(cast.professionals[Part.GP].name), escape(cast.patient.name)]
        for tenant_id, cast in casts(settings).items()
    ]
    return table("Les réseaux", ["Réseau", "Adresse", "Un médecin", "Un patient"], rows)


def _commands(url: str, program: str, jeanne: DemoPerson) -> list[tuple[str, str]]:
    address = f"{url}/{STORY_TENANT}/graphql"

    def curl(token: str, body: str) -> str:
        return (
            f'curl -s {address} -H "Authorization: Bearer $({program} token {token})" \\\n'
            f"  -H 'Content-Type: application/json' -d {shlex.quote(body)}"
        )

    look_up = _ASK_DOSSIER % (jeanne.ins.oid, jeanne.ins.value)
    return [
        ("Jeanne se présente ; patientId est son dossier", curl("person jeanne", _ASK_ME)),
        ("Le médecin traitant la cherche par son INS", curl("professional delmas", look_up)),
        (
            "Il ouvre son dossier (mettre l’identifiant reçu à la place de ID)",
            curl(
                "professional delmas",
                '{"query":"query($id:ID!){dossier(patientId:$id){...on Dossier{documents{totalCount nodes{title}}}'
                '...on Refusal{code message}}}","variables":{"id":"ID"}}',
            ),
        ),
        ("Déposer des documents", f"{program} ingest CHEMIN --tenant {STORY_TENANT}"),
        ("Vérifier le journal et les contenus", f"{program} verify journal --tenant {STORY_TENANT}"),
    ]


def _program(settings: Settings) -> str:
    """How this program is called from where the person stands."""
    script = ROOT / "ops" / "passerelle"
    name = Path(sys.argv[0]).name
    if script.exists():
        name = str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)
    is_default = settings.state == Settings.model_fields["state"].get_default(call_default_factory=True)
    return name if is_default else f"PASSERELLE_STATE={shlex.quote(str(settings.state))} {name}"
