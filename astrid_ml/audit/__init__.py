"""The leak audit: what crosses from training to test, found before the fit."""

from astrid_ml.audit.audit import Audit, AuditResult, Finding

__all__ = ["Audit", "AuditResult", "Finding"]
