"""The table of docs/families.md: what was found of each decoder type."""


def table(results):
    words = {}
    for name, verdict in sorted(results.items()):
        words.setdefault(verdict["word"], []).append((name, verdict["why"]))
    lines = [f"{len(found)} {word}" for word, found in sorted(words.items())]
    out = [f"Of {len(results)} types: {', '.join(lines)}.", ""]
    if "equal" in words:
        out += ["Equal: " + ", ".join(f"`{name}`" for name, _ in words.pop("equal")) + ".", ""]
    out += ["| type | | |", "|---|---|---|"]
    for word, found in sorted(words.items()):
        cells = [(name, why.replace("|", "\\|")) for name, why in found]
        out += [f"| `{name}` | {word} | {why} |" for name, why in cells]
    return "\n".join(out)
