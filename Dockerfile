# The bot and its engine in one image. With an NVIDIA GPU: docker run --gpus all ...
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY engine engine
COPY migrations migrations
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
WORKDIR /app
# Pillow joins Arabic letters with libfribidi0; Triton compiles a launcher of its kernels with gcc;
# KubeRay checks the health of its pods with wget
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev libfribidi0 wget \
    && rm -rf /var/lib/apt/lists/*
# Add `,cluster` for the nodes of a Ray cluster
ARG EXTRAS=engine,film,upscale,cjk
COPY constraints.txt ./
COPY --from=build /wheels wheels
RUN pip install --no-cache-dir --constraint constraints.txt "$(ls wheels/*.whl)[$EXTRAS]" \
    && useradd --create-home imagine \
    && mkdir /data && chown imagine /data

USER imagine
ENV IMAGINE_DATA=/data IMAGINE_METRICS_PORT=9464
VOLUME /data
HEALTHCHECK --interval=30s --timeout=10s --start-period=10m \
    CMD ["python", "-c", "from os import environ; from urllib.request import urlopen; urlopen(f\"http://127.0.0.1:{environ['IMAGINE_METRICS_PORT']}/healthz\", timeout=8)"]
CMD ["imagine-bot"]
