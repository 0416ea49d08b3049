# The daily recipes. What needs a condition is an xtask or a subcommand.

# List the recipes.
default:
    @just --list

# Serve a debug build on http://127.0.0.1:8689.
dev *options:
    cargo xtask run --dev {{ options }}

# Format, lints, licences.
check:
    cargo xtask check

# Write openapi/openapi.json.
openapi:
    cargo xtask openapi

# The generated client against a running server.
e2e:
    cargo xtask test --only client

# The server beside its floors.
bench *options:
    cargo xtask bench {{ options }}

# Kills under load, full disks.
faults *options:
    cargo xtask faults {{ options }}

# Licences, forbidden packages, sources.
deny:
    cargo xtask test --only deny

# Start over with an empty database.
fresh-db:
    rm -f data/pm.db data/pm.db-wal data/pm.db-shm
