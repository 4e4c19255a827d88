"""The error tree. Every error names what to do next.

ConvRecError
├── SettingsError          a setting is unknown, malformed or contradicts another
├── DataError              input data cannot be used (a file, a column, a domain)
│   └── SourceError        a demo data set or model could not be fetched or is not what was pinned
├── NotFoundError          (also LookupError) a user, item, session or prompt that does not exist
├── ForbiddenError         (also PermissionError) a session, slate or event of somebody else
├── LedgerError            the ledger cannot be read or written
│   └── EventConflictError an event_id is already stored with another body
├── BusyError              what only one can do at a time is being done
├── IndexUnavailableError  the retrieval index is missing, damaged or held by another process
├── EngineError            the language model engine failed
│   ├── EngineUnavailableError  it is down, starting or full (the slate degrades, the turn survives)
│   └── EngineTimeoutError      (also TimeoutError) it did not answer in time
├── PromptError            a prompt template is missing, malformed or lacks a variable
└── EvaluationError        a system under evaluation did what makes its figures meaningless
"""


class ConvRecError(Exception):
    """Root of every error that convrec raises on purpose."""


class SettingsError(ConvRecError):
    """A setting is unknown, malformed or contradicts another."""


class DataError(ConvRecError):
    """Input data cannot be used."""


class SourceError(DataError):
    """A demo data set or model could not be fetched or is not what was pinned."""


class NotFoundError(ConvRecError, LookupError):
    """A user, item, session or prompt does not exist."""


class ForbiddenError(ConvRecError, PermissionError):
    """A session, slate or event of somebody else."""


class LedgerError(ConvRecError):
    """The ledger cannot be read or written."""


class EventConflictError(LedgerError):
    """An event_id is already stored with another body."""


class BusyError(ConvRecError):
    """What only one can do at a time is being done."""


class IndexUnavailableError(ConvRecError):
    """The retrieval index is missing, damaged or held by another process."""


class EngineError(ConvRecError):
    """The language model engine failed."""


class EngineUnavailableError(EngineError):
    """The engine is down, starting or full."""


class EngineTimeoutError(EngineError, TimeoutError):
    """The engine did not answer in time."""


class PromptError(ConvRecError):
    """A prompt template is missing, malformed or lacks a variable."""


class EvaluationError(ConvRecError):
    """A system under evaluation did what makes its figures meaningless."""
