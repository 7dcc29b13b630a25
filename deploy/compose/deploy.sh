#!/bin/sh
# Tells Prefect of the work pools and the deployments. Run again, it sets them anew.
set -eu
python deploy/work_pools.py
python deploy/work_pools.py --overwrite process
# Compose labels the images it builds, and so the containers of flow runs: under a project name of their own it
# does not take them for its services.
python deploy/work_pools.py --overwrite docker \
    "image=$WORKER_IMAGE" "image_pull_policy=Never" "networks=[\"${PROJECT}_default\"]" \
    "labels={\"com.docker.compose.project\": \"${PROJECT}-runs\", \"com.docker.compose.service\": \"run\"}" \
    "volumes=[\"${PROJECT}_run-settings:/run/secrets/sluice:ro\"]" \
    'env={"AWS_SHARED_CREDENTIALS_FILE": "/run/secrets/sluice/aws_credentials"}'
prefect deploy --all --no-prompt
