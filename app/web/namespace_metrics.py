"""The metrics of one namespace: of the samples with the label `stack`, those of its stacks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from app.domain.viewer import Viewer

_LABEL = "stack"


class NamespaceMetrics(Collector):
    """The metrics of a registry as a viewer of one namespace sees them.

    Metrics without the label `stack` are left out, since they count what every namespace does.
    """

    def __init__(self, registry: CollectorRegistry, viewer: Viewer) -> None:
        self._registry, self._viewer = registry, viewer

    def collect(self) -> Iterator[Metric]:
        """The metrics that are left, with the stacks' names as the viewer writes them."""
        for metric in self._registry.collect():
            if samples := list(self._samples(metric)):
                family = Metric(metric.name, metric.documentation, metric.type, metric.unit)
                family.samples = samples
                yield family

    def _samples(self, metric: Metric) -> Iterator[Sample]:
        for sample in metric.samples:
            stack = sample.labels.get(_LABEL, "")
            if stack and self._viewer.sees(stack):
                yield sample._replace(labels={**sample.labels, _LABEL: self._viewer.short(stack)})
