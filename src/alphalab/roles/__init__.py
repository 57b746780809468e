"""The roles of a campaign; each can be replaced by a subclass."""

from alphalab.roles.base import RoleAgent
from alphalab.roles.board import board_view
from alphalab.roles.context import CampaignContext
from alphalab.roles.customiser import Customiser, changes_to_what_is_fixed
from alphalab.roles.evaluators import Builder, Critic, Hacker, Tester, feasible_attacks, package_problems
from alphalab.roles.explorer import Explorer, exploration_problems
from alphalab.roles.reporter import Reporter
from alphalab.roles.strategist import Strategist
from alphalab.roles.worker import Analyst, Fixer, Implementer

ROLES: dict[str, type[RoleAgent]] = {
    role.role_name: role
    for role in (
        Customiser,
        Explorer,
        Builder,
        Critic,
        Tester,
        Hacker,
        Strategist,
        Implementer,
        Fixer,
        Analyst,
        Reporter,
    )
}
"""Every role by name, as a campaign uses them unless told otherwise."""

__all__ = [
    "ROLES",
    "Analyst",
    "Builder",
    "CampaignContext",
    "Critic",
    "Customiser",
    "Explorer",
    "Fixer",
    "Hacker",
    "Implementer",
    "Reporter",
    "RoleAgent",
    "Strategist",
    "Tester",
    "board_view",
    "changes_to_what_is_fixed",
    "exploration_problems",
    "feasible_attacks",
    "package_problems",
]
