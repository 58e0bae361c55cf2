"""One launch of a run's roles as all that watch it share it, and what the state of a role means for the run."""

import dataclasses
import time
from collections.abc import Collection, Sequence

from sparkcv.channel.control import Server
from sparkcv.channel.heartbeat import SILENCE_S
from sparkcv.cluster.recovery import Recovery
from sparkcv.cluster.run_spec import RunSpec
from sparkcv.cluster.state import RoleState, RunState
from sparkcv.launchers import Launch
from sparkcv.roles import Role

__all__ = ["Generation"]

_HUNG_UP_S = 3.0  # an agent without a connection that does not come back in this time is lost
_SERVICE_GRACE_S = 10.0


@dataclasses.dataclass(frozen=True)
class Generation:
    """A launch under way.

    Attributes:
        serving: roles of other jobs that said that they serve.
        abandoned: optional roles that are not started again.
    """

    spec: RunSpec
    state: RunState
    launch: Launch
    server: Server
    recovery: Recovery
    serving: set[Role] = dataclasses.field(default_factory=set)
    abandoned: set[Role] = dataclasses.field(default_factory=set)

    @property
    def services(self) -> frozenset[str]:
        """Return the jobs that serve the others, the optional ones included."""
        return frozenset(self.spec.services) | frozenset(self.spec.optional)

    def is_optional(self, role: Role) -> bool:
        """Return whether the run goes on without the role."""
        return role.job in self.spec.optional

    def needed(self, states: Sequence[RoleState]) -> list[Role]:
        """Return the roles that are not optional."""
        return [one.role for one in states if not self.is_optional(one.role)]

    def serves(self, role: Role) -> bool:
        """Return whether the role is asked to stop once all others are done."""
        return role.job in self.services or role in self.serving

    def has_failed(self, one: RoleState) -> bool:
        """Return whether the role ended, or is gone, other than in good order."""
        if one.role in self.abandoned:
            return False
        if one.end is not None:
            is_service = self.serves(one.role)
            if is_service and self.state.is_stopping(one.role):
                return False  # it was asked to end; how it did so changes nothing for the others
            return one.end.result is None or is_service
        return self.is_gone(one) and not self.is_done(one)

    def is_done(self, one: RoleState) -> bool:
        """Return whether nothing more is to come from the role; a service that was asked to stop may also vanish."""
        is_released = self.serves(one.role) and self.state.is_stopping(one.role)
        return one.end is not None or one.role in self.abandoned or (is_released and self.is_gone(one))

    def is_gone(self, one: RoleState) -> bool:
        """Return whether the role's agent is lost: it hung up for good, or says nothing any more."""
        now_s = time.monotonic()
        is_away = one.hung_up_s is not None and (now_s - one.hung_up_s > _HUNG_UP_S or self.launch.is_over())
        return is_away or (one.contact_s is not None and now_s - one.contact_s > SILENCE_S)

    def stop_services(self, roles: Collection[Role], reason: str) -> None:
        """Ask those of ``roles`` that serve to stop."""
        optional = [role for role in roles if self.is_optional(role)]
        self.state.order_stop(optional, self.spec.optional_grace_s, reason)
        self.state.order_stop([role for role in roles if self.serves(role)], _SERVICE_GRACE_S, reason)
