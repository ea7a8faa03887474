# kmeans: k-means clustering in SQL.  Plain PGXS:
#
#   make                       build for the server of pg_config
#   make install               (PG_CONFIG=... selects another server)
#   make installcheck          tests against the running server
#   make test                  all tests, from nothing, in a private server
#   make test-servers          the tests on newer servers, in folders of their own; see test/servers.sh
#   make test-undefined        the SQL tests under UBSan
#   make test-valgrind         the SQL tests under valgrind; half an hour
#   make fuzz                  inputs made up for kmeans_model; see test/fuzz/run.sh
#   make demo                  a guided tour, in a private server
#   make bench                 the benchmark, in a private server; see test/bench/run.sh
#
# WERROR=1, or CI=true in the environment, turns warnings into errors.

EXTENSION = kmeans
MODULE_big = kmeans
PGFILEDESC = "kmeans - k-means clustering in SQL"

# kmeans.control is the one place of the version number.
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" kmeans.control)

# The install script is its topics, one after the other.
INSTALL_SQL = sql/$(EXTENSION)--$(EXTVERSION).sql
INSTALL_TOPICS := $(sort $(wildcard sql/install/*.sql))
DATA = $(sort $(wildcard sql/upgrade/$(EXTENSION)--*--*.sql))
DATA_built = $(INSTALL_SQL)

OBJS := $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
CORE_OBJS := $(filter src/core/%,$(OBJS))
ALL_HEADERS := $(wildcard src/*.h src/*/*.h)

# Labels are defined by separate multiplications and additions: a compiler
# that fuses them would label exact ties differently on different machines.
PG_CPPFLAGS = -Isrc
PG_CFLAGS = -ffp-contract=off -Wextra -Wno-unused-parameter -Wno-sign-compare
ifneq (,$(filter true 1,$(CI) $(WERROR)))
PG_CFLAGS += -Werror
endif

# pg_regress takes its inputs from sql/, the isolation tester from test/specs/
REGRESS := $(sort $(patsubst sql/%.sql,%,$(filter-out sql/$(EXTENSION)--%,$(wildcard sql/*.sql))))
ISOLATION := $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --load-extension=$(EXTENSION)
ifneq (,$(wildcard test/t/*.pl))
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl
PROVE_FLAGS = -I test/t/lib
endif

# These targets find or install a server themselves, so they must work before
# there is a pg_config; everything else is PGXS.
STANDALONE = test test-servers test-undefined test-valgrind fuzz demo bench

.PHONY: $(STANDALONE)

ifneq (,$(filter-out $(STANDALONE),$(or $(MAKECMDGOALS),all)))

# No bitcode: the server would inline functions from a second compilation, by
# clang and with other flags, and the two would have to agree on every
# rounding.  Makefile.global assigns with_llvm, hence the override.
override with_llvm = no

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS tracks no headers
$(OBJS): $(ALL_HEADERS)

# The loops over rows live in the core and want the vectorizer, which a square
# root that may set errno would stop.
$(CORE_OBJS): override CFLAGS += -O3 -fno-math-errno

$(INSTALL_SQL): $(INSTALL_TOPICS) kmeans.control
	{ printf '%s\n' '\echo Use "CREATE EXTENSION $(EXTENSION)" to load this file. \quit'; \
	  for topic in $(INSTALL_TOPICS); do echo; cat $$topic || exit 1; done; } > $@.tmp
	mv $@.tmp $@

clean: clean-core
.PHONY: clean-core
clean-core:
	$(MAKE) -C test/core clean

endif

test:
	@test/run.sh

test-servers:
	@test/servers.sh $(SERVERS)

test-undefined:
	@test/run.sh undefined

test-valgrind:
	@test/run.sh valgrind

fuzz:
	@FUZZ="$(FUZZ)" test/fuzz/run.sh

demo:
	@test/demo/run.sh

bench:
	@BENCH="$(BENCH)" BENCH_SCALE="$(BENCH_SCALE)" test/bench/run.sh
