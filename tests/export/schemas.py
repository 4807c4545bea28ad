"""What the receivers of verdicts demand, written down from their public documentation.

Not the official schemas: those parts of them that tracekit's documents use, and no others, so that
a member outside of them fails. The official SARIF schema and a running Phoenix were tried by hand
(docs/benchmarks.md, "Verdicts in other tools").
"""

TEXT = {"type": "string"}
WORD = {"type": "string", "minLength": 1}
HEX16 = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
HEX32 = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def record(required, **more):
    """An object with these members and no others."""
    members = {**required, **more}
    return {
        "type": "object",
        "properties": {name.replace("__", "$"): schema for name, schema in members.items()},
        "required": [name.replace("__", "$") for name in required],
        "additionalProperties": False,
    }


def many(items, **more):
    return {"type": "array", "items": items, **more}


FREE = {"type": "object"}
MESSAGE = record({"text": WORD})
LEVEL = {"enum": ["none", "note", "warning", "error"]}

LOCATION = record(
    {"logicalLocations": many(record({"fullyQualifiedName": WORD, "kind": WORD}, name=TEXT))},
    physicalLocation=record(
        {
            "artifactLocation": record({"uri": {"type": "string", "pattern": r"^[!-~]+$"}}),
            "region": record({"startLine": {"type": "integer", "minimum": 1}}),
        }
    ),
    message=MESSAGE,
)

RESULT = record(
    {
        "ruleId": WORD,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": many(LOCATION, minItems=1, maxItems=1),
        "partialFingerprints": record({"tracekitCase/v1": HEX32}),
        "guid": {
            "type": "string",
            "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$",
        },
        "properties": FREE,
    },
    rank={"type": "number", "minimum": 0, "maximum": 100},
    codeFlows=many(
        record(
            {
                "threadFlows": many(
                    record(
                        {
                            "locations": many(
                                record(
                                    {
                                        "location": LOCATION,
                                        "importance": {
                                            "enum": ["important", "essential", "unimportant"]
                                        },
                                    }
                                ),
                                minItems=1,
                            )
                        }
                    ),
                    minItems=1,
                )
            }
        )
    ),
    taxa=many(
        record({"id": WORD, "toolComponent": record({"name": WORD, "index": {"type": "integer"}})})
    ),
)

RULE = record(
    {
        "id": WORD,
        "name": {"type": "string", "pattern": "^[A-Z][A-Za-z]+$"},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "defaultConfiguration": record({"level": LEVEL}),
        "help": MESSAGE,
    }
)

SARIF = record(
    {
        "__schema": {"type": "string", "pattern": "^https://"},
        "version": {"const": "2.1.0"},
        "runs": many(
            record(
                {
                    "tool": record(
                        {
                            "driver": record(
                                {
                                    "name": {"const": "tracekit"},
                                    "version": WORD,
                                    "rules": many(RULE, uniqueItems=True),
                                    "supportedTaxonomies": many(record({"name": WORD})),
                                }
                            )
                        }
                    ),
                    "automationDetails": record({"id": WORD}),
                    "taxonomies": many(
                        record(
                            {
                                "name": WORD,
                                "organization": WORD,
                                "shortDescription": MESSAGE,
                                "taxa": many(
                                    record({"id": WORD, "name": WORD, "shortDescription": MESSAGE})
                                ),
                            }
                        )
                    ),
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "invocations": many(
                        record(
                            {
                                "executionSuccessful": {"type": "boolean"},
                                "toolExecutionNotifications": many(
                                    record({"message": MESSAGE, "level": LEVEL})
                                ),
                            }
                        )
                    ),
                    "results": many(RESULT, maxItems=25_000),
                },
                properties=FREE,
            ),
            minItems=1,
            maxItems=20,
        ),
    }
)

ANNOTATION = {
    "name": WORD,
    "annotator_kind": {"enum": ["LLM", "CODE", "HUMAN"]},
    "result": record({"label": WORD, "explanation": TEXT}, score=SHARE),
    "metadata": FREE,
    "identifier": HEX32,
}
PHOENIX = {
    "/v1/span_annotations?sync=true": record(
        {"data": many(record({**ANNOTATION, "span_id": HEX16}), minItems=1)}
    ),
    "/v1/trace_annotations?sync=true": record(
        {"data": many(record({**ANNOTATION, "trace_id": HEX32}), minItems=1)}
    ),
}
"""Bodies of the requests, by path."""

SCORE = {
    "id": HEX32,
    "traceId": WORD,
    "name": WORD,
    "comment": TEXT,
    "metadata": FREE,
    "timestamp": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
}
NUMERIC = record({**SCORE, "observationId": WORD, "value": SHARE, "dataType": {"const": "NUMERIC"}})
CATEGORICAL = record({**SCORE, "value": WORD, "dataType": {"const": "CATEGORICAL"}})
LANGFUSE = {"/api/public/scores": many({"anyOf": [NUMERIC, CATEGORICAL]}, minItems=1)}
