"""Reporting: tables, figures and pages made from saved predictions and scores."""
