"""A Compose App as people have it, for the judges."""
import pathlib

COMPOSE = """\
# The web shop
x-logging: &logging
  driver: json-file
  options: {max-size: "10m"}
services:
  web:  # public
    build:
      context: web
    image: hub.example.com/acme/web:latest
    labels:
      - "shop=front"
      - plain
    logging: *logging
    ports: ["8080:80"]
    # the configuration
    volumes:
    - ./config:/etc/web:ro
  db:
    image: "db:${TAG:-1}"   # private
    restart: always
    healthcheck:
      test: ["CMD", "true"]
volumes:
  data: {}
"""


def write(folder: pathlib.Path):
    files = {
        "docker-compose.yml": (COMPOSE, 0o600),
        "config/web.conf": ("listen 80\n", 0o640),
        "config/\u00e9t\u00e9.conf": ("accents\n", 0o664),
        "config/" + "long-name-" * 15 + ".conf": ("long\n", 0o644),
        "start.sh": ("#!/bin/sh\n", 0o775),
        ".env": ("TAG=1\n", 0o644),
        ".git/config": ("[core]\n", 0o644),
        "web/Dockerfile": ("FROM scratch\n", 0o644),
        "notes.md": ("ignored\n", 0o644),
        ".composeappignores": ("# not for devices\n*.md\nweb\n", 0o644),
    }
    for name, (text, mode) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
    (folder / "config" / "current.conf").symlink_to("web.conf")
    return {name for name in files if not name.startswith(".git/") and name not in (
        "web/Dockerfile", "notes.md", ".composeappignores")}
