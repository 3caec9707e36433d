# The API and the workers, without root. The servers are docker-compose.yml's, not embedded ones.

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock ./
# Every package as locked, hashes checked; the image below takes from these what it needs to run.
RUN pip wheel --no-cache-dir --require-hashes --no-deps -r requirements.lock -w /wheels
COPY pyproject.toml README.md LICENSE ./
COPY config config
COPY lua lua
COPY archive_sql archive_sql
COPY workers workers
COPY fature_kv fature_kv
RUN pip wheel --no-cache-dir --no-deps --no-index --find-links /wheels . -w /wheels \
 && python -m venv /app \
 && /app/bin/pip install --no-cache-dir --no-index --find-links /wheels fature-kv

FROM python:3.13-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /home/fature fature
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 FATURE_HOST=0.0.0.0
USER fature
WORKDIR /home/fature
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
CMD ["fature-kv", "serve"]
