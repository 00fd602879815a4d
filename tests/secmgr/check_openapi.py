"""check_openapi.py DESCRIPTION ROUTES TRANSCRIPT - the API's description against the program

ROUTES: one "METHOD path" a line, as the program's own table has them. TRANSCRIPT: one JSON object a
line, {"method", "path", "status", "request", "reply"}, as real clients saw them. Every route is
described and nothing else is; every request and reply is of the form that the description gives.
"""
import json
import re
import sys

description, routes, transcript = sys.argv[1:]
doc = json.load(open(description, encoding="utf-8"))


def resolve(schema):
    while "$ref" in schema:
        at = doc
        for part in schema["$ref"].lstrip("#/").split("/"):
            at = at[part]
        schema = at
    return schema


TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}


def trouble(schema, value, where):
    """The first way in which a value is not of a schema, or None."""
    schema = resolve(schema)
    for part in schema.get("allOf", []):
        if (t := trouble(part, value, where)):
            return t
    if "oneOf" in schema:
        found = [trouble(s, value, where) for s in schema["oneOf"]]
        return None if found.count(None) == 1 else found[0]
    kind = schema.get("type")
    if kind and (not isinstance(value, TYPES[kind]) or kind == "integer" and value is True):
        return f"{where} is no {kind}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{where}: {value!r} is none of {schema['enum']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return f"{where}: {value!r} does not match"
    if kind == "array":
        for i, item in enumerate(value):
            if (t := trouble(schema["items"], item, f"{where}[{i}]")):
                return t
    if kind == "object":
        properties = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                return f"{where} lacks {name}"
        for name, v in value.items():
            if name in properties:
                if (t := trouble(properties[name], v, f"{where}.{name}")):
                    return t
            elif schema.get("additionalProperties") is False:
                return f"{where} has {name}"
    return None


have = {tuple(line.split()) for line in open(routes, encoding="ascii")}
described = {
    (method.upper(), path)
    for path, item in doc["paths"].items()
    for method in item
    if method != "parameters"
}
assert have == described, f"routes and description differ in {have ^ described}"

seen = set()
for line in open(transcript, encoding="utf-8"):
    e = json.loads(line)
    for path, item in doc["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), e["path"]):
            break
    else:
        sys.exit(f"no description of {e['path']}")
    op = item[e["method"].lower()]
    assert str(e["status"]) in op["responses"], f"{e['method']} {path}: status {e['status']}"
    seen.add((e["method"], path, e["status"] == 200))
    content = op["responses"][str(e["status"])]["content"].get("application/json")
    if content and isinstance(e["reply"], dict):
        t = trouble(content["schema"], e["reply"], "reply")
        assert t is None, f"{e['method']} {path}: {t}: {e['reply']}"
    if e["status"] == 200 and e.get("request") is not None:
        t = trouble(op["requestBody"]["content"]["application/json"]["schema"], e["request"], "request")
        assert t is None, f"{e['method']} {path}: {t}"

missing = {r for r in have if (*r, True) not in seen}
assert not missing, f"never seen to succeed: {missing}"
print(f"{len(have)} routes, {len(seen)} of them and their failures seen")
