# The daily recipes. What needs a condition is an xtask or a subcommand.

# List the recipes.
default:
    @just --list

# Serve a debug build on http://127.0.0.1:8689.
dev *options:
    cargo xtask run --dev {{ options }}

# Serve the web console as it is in the checkout, beside `just dev`, whose API it uses.
[working-directory: 'frontend']
web:
    npm run dev

# Format, lints, licences.
check:
    cargo xtask check

# Write openapi/openapi.json.
openapi:
    cargo xtask openapi

# The generated client against a running server.
client:
    cargo xtask test --only client

# Types, lints and units of the web console, and its walks in a browser.
e2e:
    cargo xtask test --only frontend,e2e

# The server beside its floors.
bench *options:
    cargo xtask bench {{ options }}

# Kills under load, full disks.
faults *options:
    cargo xtask faults {{ options }}

# The Debian package; `just package --try` also goes through its life.
package *options:
    cargo xtask package {{ options }}

# Licences, forbidden packages, sources.
deny:
    cargo xtask test --only deny

# Start over with an empty database.
fresh-db:
    rm -f data/pm.db data/pm.db-wal data/pm.db-shm
