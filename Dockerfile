# One image for every process of Genba and for PgBouncer; docker-compose.yml says which of them a container is.
FROM python:3.11.14-slim-bookworm

# PgBouncer of the distribution: the version that the tests run. pg_dump and pg_restore of PostgreSQL's own archive, as
# the distribution's are older than the server.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends pgbouncer postgresql-common \
    && /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y \
    && apt-get install --yes --no-install-recommends postgresql-client-18 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp genba \
    && install --directory --owner genba --group genba \
        /var/lib/genba/files /var/lib/genba/home /var/lib/genba/watchdog /backups

WORKDIR /app

# What changes seldom comes first: a new release reuses the layer of the packages.
COPY requirements.txt requirements-ocr.txt ./
ARG OCR=false
RUN python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt \
    && if [ "$OCR" = true ]; then \
        python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-ocr.txt; fi

COPY pyproject.toml LICENSE ./
COPY service service
COPY jobs jobs
COPY dashboards dashboards
COPY agent agent
COPY scanner_station scanner_station
COPY stack stack
# Nothing is written here any more: bytecode and the fonts of the pages are made now.
RUN python -m dashboards.fonts && python -m compileall -q service jobs dashboards agent stack

ENV HOME=/tmp \
    POSTGRESQL_PROGRAMS=/usr/lib/postgresql/18/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
# What a container is for is said in docker-compose.yml, and so is how it is asked whether it is well.
HEALTHCHECK NONE
CMD ["python", "-m", "uvicorn", "--help"]
