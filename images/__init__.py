"""The images of a deployment, built with no image registry: from Debian's packages and wheels fetched here.

debian       a root filesystem of Debian's packages, imported as an image
product      the Dockerfile at the top level on such a base, with its wheels at hand
servers      Redis and PostgreSQL, used as the official images are
engine       the Docker commands, and what is there already
"""
