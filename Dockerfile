# The bot and its engine in one image. With an NVIDIA GPU: docker run --gpus all ...
FROM python:3.11-slim

WORKDIR /app
COPY pyproject.toml constraints.txt README.md ./
COPY bot bot
COPY engine engine
COPY migrations migrations
RUN pip install --no-cache-dir --constraint constraints.txt --editable '.[engine]' \
    && useradd --create-home imagine \
    && mkdir /data && chown imagine /data

USER imagine
ENV IMAGINE_DATA=/data
VOLUME /data
CMD ["python", "-m", "bot"]
