# The image of a Quorate node, from a program that is compiled already. Neither compiles nor downloads anything.
#
#   docker build -t quorate-runtime -f docker/Dockerfile --target runtime .
#   docker build -t quorate -f docker/prebuilt.Dockerfile --build-arg RUNTIME=quorate-runtime DIRECTORY
#       takes the program `quorate` (executable) from DIRECTORY.
#
# A file of its own, and no stage of the other: without BuildKit, Docker builds all stages before the one that is
# wanted, and this one fails where there is no such program.
ARG RUNTIME=quorate-runtime
FROM ${RUNTIME}
COPY --chown=0:0 quorate /usr/local/bin/quorate
