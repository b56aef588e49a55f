"""What `passerelle policy check` and `policy explain` show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.markup import escape

from passerelle.kernel import messages
from passerelle_ops.terminal import output, print_json, say, table
from passerelle_policies.cases import Case, InvalidCase, cases_of, lines_without_case
from passerelle_policies.checks import check_pack
from passerelle_policies.facts import Decision, Facts, FactValue
from passerelle_policies.faults import Fault, fault
from passerelle_policies.matrix import InvalidPack
from passerelle_policies.packs import NoPackInForce, Pack, read_pack
from passerelle_policies.words import ROLE_WORDS, answer_word


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """What was found about one pack. `pack` is None when it cannot be read, `tried` when its cases cannot be asked."""

    name: str
    pack: Pack | None
    faults: tuple[Fault, ...]
    tried: tuple[tuple[Case, Decision], ...] | None

    @property
    def astray(self) -> list[tuple[Case, Decision]]:
        """The cases that do not get the answer of the text."""
        return [(case, answer) for case, answer in self.tried or () if not case.agrees(answer)]

    @property
    def holds(self) -> bool:
        """Whether the pack may take effect."""
        return not self.faults and not self.astray

    @property
    def lines_cited(self) -> set[str]:
        """The lines of the matrix that a case has answer."""
        rules = {answer.rule for _, answer in self.tried or ()}
        return rules & {line.rule for line in self.pack.lines} if self.pack else set()

    def as_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        return {
            "name": self.name,
            "effective": self.pack.effective if self.pack else None,
            "lines": len(self.pack.lines) if self.pack else None,
            "lines_not_established": _not_established(self.pack) if self.pack else None,
            "lines_cited_by_cases": len(self.lines_cited),
            "types": len(self.pack.dmp_types) if self.pack else None,
            "parameters": len(self.pack.parameters) if self.pack else None,
            "cases": None if self.tried is None else len(self.tried),
            "faults": [asdict(each) for each in self.faults],
            "cases_astray": [
                {
                    "article": case.article,
                    "case": case.text,
                    "expected": {"code": case.code, "rule": case.rule},
                    "got": {"code": answer.code, "rule": answer.rule},
                }
                for case, answer in self.astray
            ],
        }


def report_on(name: str) -> PackReport:
    """Check one pack of the distribution and ask it its cases."""
    try:
        pack = read_pack(name)
    except InvalidPack as unreadable:
        found = fault("PACK_UNREADABLE", name, reason=str(unreadable))
        return PackReport(name=name, pack=None, faults=(found,), tried=None)
    faults = check_pack(pack)
    tried: tuple[tuple[Case, Decision], ...] | None = None
    try:
        tried = tuple((case, case.answer()) for case in cases_of(pack))
        told = {each.about for each in faults}
        untried = lines_without_case(pack, [answer for _, answer in tried])
        faults += [fault("LINE_WITHOUT_CASE", rule) for rule in untried if rule not in told]
    except (InvalidCase, NoPackInForce, InvalidPack) as unreadable:
        faults.append(fault("CASES_UNREADABLE", name, reason=str(unreadable)))
    return PackReport(name=name, pack=pack, faults=tuple(faults), tried=tried)


def show(reports: Sequence[PackReport]) -> None:
    """One row for each pack, then the faults and the cases astray."""
    columns = ["Paquet", "Lignes", "Sans texte", "Types", "Cas", "Lignes citées", "Fautes"]
    packs = table("Paquets de règles", columns, [_row(each) for each in reports])
    packs.columns[0].no_wrap = True
    output().print(packs)
    faults = [[each.name, it.code, escape(it.sentence)] for each in reports for it in each.faults]
    if faults:
        output().print(table("Fautes", ["Paquet", "Code", "Ce que c’est"], faults))
    astray = [
        [each.name, escape(case.article), escape(case.text), escape(f"{answer_word(got.code)} ({got.rule})")]
        for each in reports
        for case, got in each.astray
    ]
    if astray:
        output().print(table("Cas qui n’obtiennent pas leur réponse", ["Paquet", "Article", "Cas", "Obtenu"], astray))
    if all(each.holds for each in reports):
        say("POLICY_HOLDS", packs=len(reports), cases=sum(len(each.tried or ()) for each in reports))
    else:
        say("POLICY_FAILED", faults=len(faults), astray=len(astray))


def tell(decision: Decision, facts: Facts, pack: Pack, *, as_json: bool) -> None:
    """One decision and why. What the person refused is told stands apart from the true reason."""
    line = pack.line(decision.rule)
    established = line.is_established if line else None
    told = messages.sentence(decision.code, {}) if decision.code else None
    if as_json:
        about = {"established": established, "role": facts.role, "on": facts.day, "told": told}
        print_json(decision.as_json() | about)
        return
    used = ", ".join(f"{name} = {_said(value)}" for name, value in decision.facts_used.items())
    code = f"  [dim]{escape(f'[{decision.code}]')}[/]" if decision.code else ""
    rows = [
        ["Réponse", f"[{'green' if decision.allowed else 'red'}]{answer_word(decision.code)}[/]"],
        ["Qualité", ROLE_WORDS[facts.role]],
        ["Règle", escape(decision.rule)],
        ["Texte", escape(decision.source)],
        ["Établie par un texte", {True: "oui", False: "non : choix prudent", None: "règle générale"}[established]],
        ["Paquet", f"{escape(decision.pack)}, en vigueur depuis le {pack.effective:%d/%m/%Y}"],
        ["Faits examinés", escape(used)],
        ["Pourquoi", escape(decision.sentence)],
        ["Ce qui est dit au demandeur", escape(decision.sentence_for_professional) + code],
    ]
    shown = table(f"Au {facts.day:%d/%m/%Y}", ["", ""], rows)
    shown.show_header = False
    output().print(shown)


def _said(value: FactValue) -> str:
    match value:
        case bool():
            return "oui" if value else "non"
        case None:
            return "aucun"
        case tuple():
            return " + ".join(value) or "aucun"
        case str():
            return value


def _not_established(pack: Pack) -> int:
    return sum(not line.is_established for line in pack.lines)


def _row(report: PackReport) -> list[str]:
    wrong = len(report.faults) + len(report.astray)
    mark = f"[red]✗ {wrong}[/]" if wrong else "[green]✓[/]"
    if report.pack is None:
        return [report.name, "—", "—", "—", "—", "—", mark]
    return [
        f"{report.name}\n[dim]depuis le {report.pack.effective:%d/%m/%Y}[/]",
        str(len(report.pack.lines)),
        str(_not_established(report.pack)),
        str(len(report.pack.dmp_types)),
        "—" if report.tried is None else str(len(report.tried)),
        str(len(report.lines_cited)),
        mark,
    ]
