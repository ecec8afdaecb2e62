"""What stands around a Deployment: its PodDisruptionBudget, its autoscaler, and what leads to it from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lyftlearn_image.platforms.kubernetes.importer.documents import name_of
from lyftlearn_image.platforms.kubernetes.importer.fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lyftlearn_image.platforms.kubernetes.importer.draft import Draft

# What an autoscaler without metrics has (kubernetes/kubernetes pkg/apis/autoscaling/v2/defaults.go).
_CPU_PERCENT = 80
_ONE_PLACE = ("a workload has one host and one path", "Keep the others in an object of your own beside it.")


def read_server_objects(draft: Draft) -> None:
    """Reads them into the draft's options. What belongs to another Deployment is left where it is."""
    main = draft.documents.main
    template = _mapping(_mapping(main.get("spec")).get("template"))
    labels = _mapping(_mapping(template.get("metadata")).get("labels"))
    for budget in _used(draft, "PodDisruptionBudget"):
        selector = _mapping(_mapping(budget.get("spec")).get("selector"))
        if not selector.get("matchExpressions") and _selects(_mapping(selector.get("matchLabels")), labels):
            _read_budget(draft, _spec_of(draft, budget))
    for scaler in _used(draft, "HorizontalPodAutoscaler"):
        target = _mapping(_mapping(scaler.get("spec")).get("scaleTargetRef"))
        if (target.get("kind"), target.get("name")) == ("Deployment", draft.name):
            _read_scaler(draft, _spec_of(draft, scaler))
    services = {
        name_of(one)
        for one in draft.documents.all_of("Service")
        if _selects(_mapping(_mapping(one.get("spec")).get("selector")), labels)
    }
    for ingress in _used(draft, "Ingress"):
        if services & set(_backends(ingress)):
            _read_ingress(draft, ingress, _spec_of(draft, ingress))
    for route in _used(draft, "HTTPRoute"):
        if services & set(_backends(route)):
            _read_route(draft, _spec_of(draft, route))
    # A compiled one has a Service of its own.
    draft.documents.used.update(("Service", name) for name in services)


def _used(draft: Draft, kind: str) -> Iterator[Mapping[str, Any]]:
    return draft.documents.all_of(kind)


def _spec_of(draft: Draft, document: Mapping[str, Any]) -> Fields:
    """The spec, to be read; the document counts as used."""
    kind, name = str(document["kind"]), name_of(document)
    draft.documents.used.add((kind, name))
    return Fields(document.get("spec"), f"{kind} {name}.spec", draft.left)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, Any]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def _backends(document: Any) -> Iterator[str]:
    """The names of the Services behind an Ingress or a route."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key == "service" and isinstance(value, dict):
                yield str(value.get("name"))
            elif key == "backendRefs" and isinstance(value, list):
                yield from (str(one.get("name")) for one in value if isinstance(one, dict))
            else:
                yield from _backends(value)
    elif isinstance(document, list):
        for one in document:
            yield from _backends(one)


def _read_budget(draft: Draft, spec: Fields) -> None:
    spec.take("selector")
    bounds = {"min_available": spec.take("minAvailable"), "max_unavailable": spec.take("maxUnavailable")}
    draft.options["disruption_budget"] = {name: value for name, value in bounds.items() if value is not None}
    spec.finish()


def _read_scaler(draft: Draft, spec: Fields) -> None:
    spec.take("scaleTargetRef")
    scaling: dict[str, Any] = {
        "min_replicas": int(spec.take("minReplicas", 1)),
        "max_replicas": int(spec.take("maxReplicas", 1)),
    }
    metrics = spec.items("metrics")
    for metric in metrics:
        resource = _mapping(metric.peek("resource"))
        target, name = _mapping(resource.get("target")), resource.get("name")
        if name in ("cpu", "memory") and target.get("type") == "Utilization":
            scaling[f"{name}_percent"] = int(target["averageUtilization"])
        else:
            metric.leave(
                "", "a workload's autoscaler knows the use of CPUs and memory in percent", "Keep an autoscaler of your own."
            )
    if not {"cpu_percent", "memory_percent"} & scaling.keys():
        if metrics:
            return
        scaling["cpu_percent"] = _CPU_PERCENT
    draft.options["autoscaling"] = scaling
    # It, and not the Deployment, says how many there are.
    draft.fields.pop("replicas", None)
    spec.finish()


def _read_ingress(draft: Draft, document: Mapping[str, Any], spec: Fields) -> None:
    values: dict[str, Any] = {}
    annotations = {
        str(key): str(value) for key, value in _mapping(_mapping(document.get("metadata")).get("annotations")).items()
    }
    own = draft.options.get("annotations", {}) if draft.is_ours else {}
    values["annotations"] = {key: value for key, value in annotations.items() if own.get(key) != value}
    values["class_name"] = spec.take("ingressClassName")
    rules, tls = spec.items("rules"), spec.items("tls")
    if rules:
        values["host"] = rules[0].take("host")
        _read_paths(rules[0].inside("http"), values)
        rules[0].finish()
    if tls:
        values["certificate"] = tls[0].take("secretName")
        if tls[0].peek("hosts") == [values.get("host")]:
            tls[0].take("hosts")
        tls[0].finish()
    for other in (*rules[1:], *tls[1:]):
        other.leave("", *_ONE_PLACE)
    draft.options["ingress"] = {name: value for name, value in values.items() if value}
    spec.finish()


def _read_paths(http: Fields, values: dict[str, Any]) -> None:
    paths = http.items("paths")
    for path in paths[:1]:
        values["path"] = str(path.take("path", "/"))
        path.take("backend")
        path.take_if("pathType", "Prefix", "ImplementationSpecific")
        path.finish()
    for path in paths[1:]:
        path.leave("", *_ONE_PLACE)
    http.finish()


def _read_route(draft: Draft, spec: Fields) -> None:
    values: dict[str, Any] = {"hostnames": spec.take("hostnames", [])}
    parents, rules = spec.items("parentRefs"), spec.items("rules")
    for parent in parents[:1]:
        namespace, name = parent.take("namespace"), parent.take("name", "")
        values["gateway"] = f"{namespace}/{name}" if namespace else str(name)
        values["listener"] = parent.take("sectionName")
        parent.take_if("group", "gateway.networking.k8s.io")
        parent.take_if("kind", "Gateway")
        parent.finish()
    for rule in rules[:1]:
        _read_matches(rule, values)
        rule.take("backendRefs")
        rule.finish()
    for other in (*parents[1:], *rules[1:]):
        other.leave("", *_ONE_PLACE)
    if "gateway" in values:
        draft.options["http_route"] = {name: value for name, value in values.items() if value}
    spec.finish()


def _read_matches(rule: Fields, values: dict[str, Any]) -> None:
    matches = rule.items("matches")
    for match in matches[:1]:
        path = match.inside("path")
        values["path"] = str(path.take("value", "/"))
        path.take_if("type", "PathPrefix")
        path.finish()
        match.finish()
    for match in matches[1:]:
        match.leave("", *_ONE_PLACE)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
