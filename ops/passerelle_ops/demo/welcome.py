"""What `passerelle demo` prints once it runs: who can sign in, what to paste, what each must see."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unicodedata import normalize

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from passerelle_ops.demo import board, counter, story
from passerelle_ops.demo.casting import STORY_TENANT, casts
from passerelle_ops.demo.people import Cast, Part
from passerelle_ops.demo.visit import BREAK_GLASS, Visit
from passerelle_ops.settings import ROOT, Settings
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.terminal import sentence, table

_ASK_DOSSIER = (
    '{"query":"query($id:ID!){dossier(patientId:$id){...on Dossier{documents{totalCount nodes{title viewUrl'
    ' type{label}}}}...on Refusal{code message}}}","variables":{"id":"\'$1\'"}}'
)
_ASK_JOURNAL = (
    '{"query":"query($id:ID!){journal(patientId:$id,first:20){...on JournalConnection{nodes{at allowed action kind'
    ' actor{name}}}...on Refusal{code message}}}","variables":{"id":"\'$1\'"}}'
)
_BREAK_THE_GLASS = (
    '{"query":"mutation($id:ID!){breakTheGlass(patientId:$id,reason:\\"malaise, patiente inconsciente\\"){__typename'
    '...on EmergencyAccess{until}...on Problem{code message}}}","variables":{"id":"\'$1\'"}}'
)
_ATTEST_PRESENCE = (
    '{"query":"mutation($id:ID!){attestPresence(patientId:$id,shown:VITALE_CARD){__typename...on Attestation{until}'
    '...on Problem{code message}}}","variables":{"id":"\'$1\'"}}'
)
_ASK_DISPENSED = (
    '{"query":"query($id:ID!){dispensingHistory(patientId:$id){__typename...on DispensingHistory{nodes{dispensedOn'
    ' label dispensedHere}}...on Problem{code message}}}","variables":{"id":"\'$1\'"}}'
)
_ASK_RECALLS = '{"query":"{recalls{...on ReceivedRecalls{nodes{reference state message}}}}"}'
_ASK_NOTICES = '{"query":"{notices(first:5){...on NoticeConnection{nodes{postedAt sentence}}}}"}'
_ASK_SESSIONS = (
    '{"query":"{myBoardSessions(since:\\"%s\\",until:\\"%s\\"){...on BoardSessions{nodes{boardName session{id}}}}}"}'
)
_ASK_SESSION = (
    '{"query":"query($id:ID!){boardSession(id:$id){...on OpenedBoardSession{boardName cases{patient{familyName}'
    ' question requester{name} attachments{title}}}...on Problem{code message}}}","variables":{"id":"\'$1\'"}}'
)
_FIRST_ID = 'grep -o \'"id":"[^"]*\' | head -n 1 | cut -d \'"\' -f 4'
_VIEW = '"${TMPDIR:-/tmp}/vue.html"'
_SEES = {
    Part.GP: f"{story.ATTENDING_SEES} documents de Jeanne (tous, sauf celui qu’elle a fait masquer)",
    Part.ONCOLOGIST: f"{story.ONCOLOGIST_SEES} documents, dont le sien, masqué aux autres",
    Part.SURGEON: f"{story.SURGEON_SEES} documents, au titre de l’équipe (pas celui que Jeanne lui garde)",
    Part.NURSE: f"{story.NURSE_SEES} documents, au titre de l’équipe (pas le bilan psychologique)",
    Part.PHARMACIST: f"{story.PHARMACIST_SEES} documents, autorisée par Jeanne (pas le bilan psychologique)",
    Part.SOCIAL_WORKER: "1 document : celui du champ social",
    Part.RADIOLOGIST: "1 document : celui dont elle est l’auteur",
    Part.SECRETARY: "refusé : elle dépose, elle ne lit pas",
    Part.BLOCKED: "refusé : Jeanne l’a bloqué",
    Part.OUTSIDER: "refusé, et Jeanne le lit dans son journal",
}
_ON_DUTY_SEES = f"{counter.IN_THE_WINDOW} produits que deux autres pharmacies ont délivrés à Jeanne, si elle est là"
_MEMBER_SEES = f"le cas de Jeanne, sa question et ses {len(board.ATTACHED)} pièces, le temps de la session"
_SECRETARY_SEES = "qui est inscrit à la session, et rien de clinique"
_PERSON_SEES = f"{story.JEANNE_SEES} documents (pas le TEP-scanner, qui attend sa consultation d’annonce)"


def welcome(settings: Settings, info: StackInfo) -> RenderableType:
    """Everything to begin with. Over HTTP, some patients are told their own ids: nobody's record is opened."""
    program, url = _program(settings), info.url("web")
    with Visit(settings, info) as visit:
        cast = visit.cast
        named = [cast.patient, cast.child.patient, cast.household("Suzanne").patient]
        ids = {_shell_name(each.given_name): visit.patient_id(each) for each in named}
    return Group(
        table(f"Qui peut se connecter ({STORY_TENANT})", ["Qui", "Rôle", "Ce qu’il voit"], _who(cast)),
        _networks(settings, url),
        Text.from_markup(sentence("DEMO_PASTE")),
        Text("\n" + pasted(cast, ids, url, program) + "\n", overflow="ignore", no_wrap=True),
        Text.from_markup(sentence("DEMO_RUNS", url=url)),
    )


def _who(cast: Cast) -> list[list[str]]:
    rows = [
        [escape(who.name), str(part), escape(_SEES[part])] for part, who in cast.professionals.items() if part in _SEES
    ]
    neighbour, on_duty = (cast.professionals[each] for each in (Part.NEIGHBOUR_PHARMACIST, Part.DUTY_PHARMACIST))
    rows.append([neighbour.name, str(neighbour.part), "un rappel de lot, dont sa pharmacie n’a pas accusé réception"])
    rows.append([on_duty.name, str(on_duty.part), escape(_ON_DUTY_SEES)])
    surgeon, secretary = (cast.professionals[each] for each in (Part.SURGEON, Part.SECRETARY))
    rows.append([surgeon.name, f"membre de la {board.NAME}", escape(_MEMBER_SEES)])
    rows.append([secretary.name, f"secrétariat de la {board.NAME}", escape(_SECRETARY_SEES)])
    jeanne, mother, son = cast.patient, cast.child.mother, cast.child.patient
    rows.append([jeanne.name, "patiente", escape(_PERSON_SEES)])
    if mother is not None:
        sees = f"{story.MOTHER_SEES} documents de son fils {son.given_name} (pas la consultation confidentielle)"
        rows.append([mother.name, "mère d’un mineur", sees])
    suzanne, colette, roger = cast.household("Suzanne"), cast.household("Colette"), cast.household("Roger")
    rows.append([suzanne.patient.name, "patiente", "2 documents sur 3, et des avis : une annonce l’attend"])
    if colette.guardian is not None:
        rows.append([colette.guardian.name, "tutrice", f"{story.GUARDIAN_SEES} documents de {colette.patient.name}"])
    if roger.heir is not None:
        rows.append([roger.heir.name, "ayant droit", f"rien du dossier de {roger.patient.name} ; un export lui est dû"])
    oncologist = cast.professionals[Part.ONCOLOGIST]
    rows.append(["DossiMed", "logiciel", f"comme {oncologist.name} ; nommé au journal"])
    return rows


def _networks(settings: Settings, url: str) -> RenderableType:
    rows = [
        [tenant_id, f"{url}/{tenant_id}/graphql", escape(cast.professionals[Part.GP].name), escape(cast.patient.name)]
        for tenant_id, cast in casts(settings).items()
    ]
    return table("Les réseaux", ["Réseau", "Adresse", "Un médecin", "Un patient"], rows, whole=["Adresse"])


def pasted(cast: Cast, ids: Mapping[str, str], url: str, program: str) -> str:
    """A few lines for a POSIX shell: functions, then one line for each actor with what it must show."""

    def function(name: str, body: str, *, mode: str = "") -> str:
        header = f" -H 'Passerelle-Mode: {mode}'" if mode else ""
        return (
            f"{name}() {{ curl -sS {url}/{STORY_TENANT}/graphql -H 'Content-Type: application/json'{header} \\\n"
            f'  -H "Authorization: Bearer $({program} token "$2" "$3")" -d \'{body}\'; echo; }}'
        )

    gp, now = cast.professionals[Part.GP].handle, datetime.now(UTC)
    lines = [
        *(f"{name}={value}" for name, value in ids.items()),
        function("dossier", _ASK_DOSSIER),
        function("journal", _ASK_JOURNAL),
        function("urgence", _BREAK_THE_GLASS, mode=BREAK_GLASS),
        function("avis", _ASK_NOTICES),
        function("carte", _ATTEST_PRESENCE),
        function("dispensations", _ASK_DISPENSED),
        function("rappels", _ASK_RECALLS),
        function("sessions", _ASK_SESSIONS % (f"{now:%FT%TZ}", f"{now + timedelta(days=60):%FT%TZ}")),
        function("rcp", _ASK_SESSION),
    ]
    asked = [(f"professional {who.handle}", _SEES[part]) for part, who in cast.professionals.items() if part in _SEES]
    asked.append((f"person {cast.patient.handle}", _PERSON_SEES))
    asked.append((f"software {cast.professionals[Part.ONCOLOGIST].handle}", "comme l’oncologue"))
    lines += [f'dossier "$JEANNE" {token}  # {sees}' for token, sees in asked]
    if (mother := cast.child.mother) is not None:
        lines.append(f'dossier "$NOE" person {mother.handle}  # {story.MOTHER_SEES} documents de son fils')
    on_duty, neighbour = (cast.professionals[each].handle for each in (Part.DUTY_PHARMACIST, Part.NEIGHBOUR_PHARMACIST))
    member, secretary, outsider = (
        cast.professionals[each].handle for each in (Part.SURGEON, Part.SECRETARY, Part.OUTSIDER)
    )
    jeanne, suzanne = cast.patient.handle, cast.household("Suzanne").patient.handle
    lines += [
        f'dossier "$SUZANNE" person {suzanne}  # {story.SUZANNE_SEES} documents : le dernier attend sa consultation',
        f"avis - person {suzanne}  # … et la plateforme l’en a avertie",
        f'urgence "$JEANNE" professional {outsider}  # brise la glace, pour une heure',
        f"avis - person {jeanne}  # … Jeanne en est avertie",
        f'carte "$JEANNE" professional {on_duty}  # Jeanne présente sa carte Vitale à la pharmacie de garde,',
        f'dispensations "$JEANNE" professional {on_duty}  # … qui voit {counter.IN_THE_WINDOW} produits d’ailleurs',
        f'dispensations "$JEANNE" professional {gp}  # refusé, au médecin traitant aussi',
        f"rappels - professional {neighbour}  # un lot rappelé, sans accusé de réception : relancé",
        f"RCP=$(sessions - professional {member} | {_FIRST_ID})  # la session où il siège,",
        f'rcp "$RCP" professional {member}  # … {_MEMBER_SEES}',
        f'rcp "$RCP" professional {secretary}  # {_SECRETARY_SEES}',
        f'rcp "$RCP" professional {outsider}  # n’y siège pas : aucun cas',
        f'page=$(dossier "$JEANNE" person {jeanne} | grep -o \'/[^"]*/view\' | head -n 1)  # un document a sa page,',
        f'curl -sS "{url}$page" -H "Authorization: Bearer $({program} token person {jeanne})" > {_VIEW}  # à regarder',
        f'journal "$JEANNE" person {jeanne}  # chaque accès ci-dessus, refus compris',
    ]
    return "\n".join(lines)


def _shell_name(given_name: str) -> str:
    return normalize("NFKD", given_name).encode("ascii", "ignore").decode("ascii").upper()


def _program(settings: Settings) -> str:
    """How this program is called from where the person stands."""
    script = ROOT / "ops" / "passerelle"
    name = Path(sys.argv[0]).name
    if script.exists():
        name = str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)
    is_default = settings.state == Settings.model_fields["state"].get_default(call_default_factory=True)
    return name if is_default else f"PASSERELLE_STATE={shlex.quote(str(settings.state))} {name}"
