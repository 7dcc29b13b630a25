"""Sluice: the ingestion gateway in front of a self-hosted Prefect."""
