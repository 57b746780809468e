"""The file under the store: who may write it, what it survives, and what it says when it cannot be used."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from alphalab.errors import StoreError
from alphalab.events import EventBus, Noticed
from alphalab.experiments import ExperimentState, Store, rank
from alphalab.experiments import sqlite as sqlite_module
from alphalab.experiments.locks import WriterLock, allows_wal, file_system_type
from alphalab.experiments.migrations import APPLICATION_ID, MIGRATIONS
from alphalab.experiments.sqlite import Database
from alphalab.measurement import Metric
from alphalab.messages import Usage
from alphalab.testing.store_suite import advance, make_proposal, make_score

S = ExperimentState


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def pragma(path, name):
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"PRAGMA {name}").fetchone()[0]
    finally:
        connection.close()


class TestOneWriter:
    def test_a_second_writer_is_refused_by_name(self, path):
        with Store.open(path), pytest.raises(StoreError, match="already open for writing by process") as refusal:
            Store.open(path)
        assert (refusal.value.pid, refusal.value.host) == (os.getpid(), socket.gethostname())
        assert "read-only" in str(refusal.value)
        Store.open(path).close()

    def test_another_process_is_named(self, path):
        with writer(path, "import time; time.sleep(60)") as process:
            with pytest.raises(StoreError, match=rf"by process {process.pid} on {socket.gethostname()}"):
                Store.open(path)
            Store.open(path, read_only=True).close()

    def test_a_dead_process_does_not_block(self, path):
        with writer(path, "import time; time.sleep(60)") as process:
            process.send_signal(signal.SIGKILL)
            process.wait()
            with Store.open(path) as store:
                assert len(store.events()) == 1

    def test_a_lock_file_that_says_nothing_still_locks(self, path):
        with Store.open(path):
            path.with_name("state.db.lock").write_text("")
            with pytest.raises(StoreError, match="an unknown host"):
                Store.open(path)

    def test_a_failed_opening_lets_go(self, path):
        path.write_text("this is not a database" * 100)
        for _ in range(2):
            with pytest.raises(StoreError, match="damaged"):
                Store.open(path)

    def test_readers_see_commits_and_change_nothing(self, path):
        with Store.open(path) as store, Store.open(path, read_only=True) as reader:
            with store.transaction():
                store.propose(make_proposal())
                assert reader.experiments() == ()
            assert reader.experiments() == store.experiments()
            with pytest.raises(StoreError, match="read-only"):
                reader.append(Noticed(message="x"))


class TestThreads:
    def test_threads_take_turns(self, path):
        heard = []

        def work(store, worker):
            for number in range(20):
                with store.transaction():
                    store.append(Noticed(message=f"{worker}"))
                    store.propose(make_proposal(worker * 100 + number))
                assert len(store.experiments()) > number

        with Store.open(path, bus=EventBus(sinks=[heard.append])) as store:
            threads = [threading.Thread(target=work, args=(store, worker)) for worker in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert [recorded.number for recorded in heard] == list(range(1, 161))
            assert len(store.experiments()) == 80


WRITE_FOREVER = """
number = 0
while True:
    with store.transaction():
        e = store.propose(make_proposal(start + number))
        store.move(e.id, S.PROPOSED, S.IMPLEMENTING)
        store.move(e.id, S.IMPLEMENTING, S.READY)
    store.begin_attempt(e.id)
    store.record_score(make_score(e.id, 1.0))
    print(e.id, flush=True)
    number += 1
"""


class writer:  # noqa: N801 - reads as a function
    """A process that has the store open, and is gone at the end of the block."""

    def __init__(self, path, code, start=0, *, wal=True):
        self.source = (
            "from pathlib import Path\n"
            "from alphalab.experiments import ExperimentState as S, Store\n"
            "from alphalab.events import Noticed\n"
            "from alphalab.testing.store_suite import make_proposal, make_score\n"
            "import alphalab.experiments.sqlite as sqlite_module\n"
            f"sqlite_module.allows_wal = lambda kind: {wal}\n"
            f"start = {start}\n"
            f"store = Store.open(Path({str(path)!r}))\n"
            "store.append(Noticed(message='open'))\n"
            "print('open', flush=True)\n"
            f"{code}"
        )

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, "-c", self.source], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "open\n"
        return self.process

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class TestCrashes:
    @pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback"])
    def test_what_a_killed_process_had_reported_is_there(self, path, wal, monkeypatch):
        monkeypatch.setattr(sqlite_module, "allows_wal", lambda _kind: wal)
        reported = []
        for kill in range(4):
            with writer(path, WRITE_FOREVER, start=kill * 10**6, wal=wal) as process:
                reported += [process.stdout.readline().strip() for _ in range(3 + 4 * kill)]
                time.sleep(0.001 * kill)  # somewhere else in the loop each time
                process.send_signal(signal.SIGKILL)
                reported += process.stdout.read().split()
            self.check(path, reported, lives=kill + 1)
        assert pragma(path, "journal_mode") == ("wal" if wal else "delete")

    def check(self, path, reported, *, lives):
        with Store.open(path) as store:  # runs quick_check
            found = store.experiments()
            whole = {e.id for e in found if (e.state, e.attempts, e.value()) == (S.QUEUED, 1, 1.0)}
            assert set(reported) <= whole
            assert len(found) - len(whole) <= lives  # at most the last of each life is in the middle
            assert all(experiment.state in (S.READY, S.QUEUED) for experiment in found)
            for experiment in found:
                assert (store.attempt(experiment.id) is not None) == (experiment.state is S.QUEUED)
            events = store.events()
            assert [recorded.number for recorded in events] == list(range(1, len(events) + 1))
            assert len(store.events(kinds=("experiment_proposed",))) == len(found)
            assert len(store.events(kinds=("attempt_started",))) == sum(e.attempts for e in found)
            assert len(store.events(kinds=("experiment_scored",))) == len(store.scores())

    def test_a_reader_copes_with_what_a_killed_process_left(self, path):
        with writer(path, WRITE_FOREVER) as process:
            reported = [process.stdout.readline().strip() for _ in range(5)][-1]
            process.send_signal(signal.SIGKILL)
            process.wait()
        with Store.open(path, read_only=True) as store:
            assert store.experiment(reported).value() == 1.0


class TestJournal:
    def test_a_local_disk_gets_a_write_ahead_log(self, path):
        if not allows_wal(file_system_type(path)):
            pytest.skip(f"the test folder is on {file_system_type(path)}")
        Store.open(path).close()
        assert pragma(path, "journal_mode") == "wal"

    def test_a_network_file_system_gets_a_rollback_journal(self, path, monkeypatch):
        Store.open(path).close()
        monkeypatch.setattr(sqlite_module, "file_system_type", lambda _path: "nfs4")
        with Store.open(path) as store:
            store.propose(make_proposal())
            assert not path.with_name("state.db-wal").exists()
        assert pragma(path, "journal_mode") == "delete"

    @pytest.mark.parametrize(
        ("place", "kind"),
        [
            ("/home/me/runs", "nfs4"),
            ("/home/local/x", "ext4"),
            ("/homework", "ext4"),
            ("/my disk/x", "fuse.sshfs"),
            ("/scratch/a/b", "lustre"),
        ],
    )
    def test_the_deepest_mount_decides(self, tmp_path, place, kind):
        mounts = tmp_path / "mounts"
        mounts.write_text(
            "/dev/a / ext4 rw 0 0\nsrv:/home /home nfs4 rw 0 0\n/dev/b /home/local ext4 rw 0 0\n"
            "me@there: /my\\040disk fuse.sshfs rw 0 0\n/dev/c /scratch xfs rw 0 0\nmgs /scratch lustre rw 0 0\nodd\n"
        )
        assert file_system_type(Path(place), mounts) == kind

    def test_what_is_not_known_to_be_local_is_not_trusted(self, tmp_path):
        assert file_system_type(tmp_path, tmp_path / "missing") == "unknown"
        kinds = ("ext4", "xfs", "tmpfs", "overlay", "unknown", "nfs", "cifs", "gpfs", "beegfs", "fuse.s3fs")
        assert [kind for kind in kinds if allows_wal(kind)] == ["ext4", "xfs", "tmpfs", "overlay"]


class TestUnusableFiles:
    def test_not_a_database(self, path):
        path.write_text("hello, I am a text file and have always been one. " * 100)
        for read_only in (False, True):
            with pytest.raises(StoreError, match=r"state\.db is damaged or not a database .*result\.json") as refusal:
                Store.open(path, read_only=read_only)
            assert refusal.value.damaged

    def test_a_damaged_page_is_noticed_at_the_door(self, path):
        with Store.open(path) as store:
            for number in range(50):
                store.propose(make_proposal(number))
        content = bytearray(path.read_bytes())
        content[4096 * 3 : 4096 * 5] = b"\xa5" * 8192
        path.write_bytes(content)
        with pytest.raises(StoreError, match="recover_experiments"):
            Store.open(path)

    def test_a_cut_off_file(self, path):
        with Store.open(path) as store:
            for number in range(50):
                store.propose(make_proposal(number))
        path.write_bytes(path.read_bytes()[: 4096 * 3])
        with pytest.raises(StoreError, match="damaged"):
            Store.open(path)

    def test_a_newer_schema(self, path):
        Store.open(path).close()
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        for read_only in (False, True):
            with pytest.raises(StoreError, match=rf"has schema version 99, and this alphalab knows {len(MIGRATIONS)}"):
                Store.open(path, read_only=read_only)
        assert pragma(path, "user_version") == 99

    def test_a_database_of_another_program(self, path):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE bookmarks (url)")
        connection.commit()
        connection.close()
        with pytest.raises(StoreError, match="another program"):
            Store.open(path)

    def test_a_missing_file_is_not_made_by_looking(self, path):
        with pytest.raises(StoreError, match="there is no campaign at"):
            Store.open(path, read_only=True)
        assert not path.exists()

    def test_a_folder_that_cannot_be_made(self, path):
        path.write_text("a file")
        with pytest.raises(StoreError, match="cannot be made"):
            Store.open(path / "w" / "state.db")

    def test_a_closed_store(self, path):
        store = Store.open(path)
        store.close()
        store.close()
        for use in (store.experiments, store.counts, lambda: store.append(Noticed(message="x"))):
            with pytest.raises(StoreError, match="is closed; open the campaign again"):
                use()

    def test_a_full_disk(self, path):
        with Store.open(path) as store:
            store.propose(make_proposal())
            pages = store.database.rows("PRAGMA page_count")[0][0]
            store.database.rows(f"PRAGMA max_page_count = {pages + 1}")
            with pytest.raises(StoreError, match="disk is full; free some space"):
                [store.propose(make_proposal(number)) for number in range(1, 1000)]
            store.database.rows("PRAGMA max_page_count = 1000000")
            count = len(store.experiments())
            assert len(store.events()) == count
            assert store.propose(make_proposal(5000)).id == f"exp-{count + 1:04d}"


class TestReadOnlyFolder:
    @pytest.fixture(params=[True, False], ids=["wal", "rollback"])
    def locked(self, request, monkeypatch):
        """A folder whose owner is somebody else, with a finished campaign in it; root's rights are put aside."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            monkeypatch.setattr(sqlite_module, "allows_wal", lambda _kind: request.param)
            with Store.open(folder / "state.db") as store:
                store.propose(make_proposal())
            (folder / "state.db.lock").unlink()
            (folder / "state.db").chmod(0o444)
            folder.chmod(0o555)
            root = os.geteuid() == 0
            if root:
                os.seteuid(65534)
            try:
                yield folder
            finally:
                if root:
                    os.seteuid(0)
                folder.chmod(0o755)

    def test_writing_is_refused_in_a_sentence(self, locked):
        with pytest.raises(StoreError, match=r"cannot be written \(Permission denied\); make the folder writable"):
            Store.open(locked / "state.db")

    def test_reading_works(self, locked):
        with Store.open(locked / "state.db", read_only=True) as store:
            assert len(store.experiments()) == 1


class TestSchema:
    def test_the_record_cannot_be_edited_behind_the_store(self, path):
        with Store.open(path) as store:
            experiment = store.propose(make_proposal())
            store.record_score(make_score(experiment.id, 1.0))
        for statement in (
            "UPDATE scores SET outcome = '{}'",
            "DELETE FROM scores",
            "UPDATE events SET body = '{}'",
            "DELETE FROM events",
            "UPDATE experiments SET state = 'won'",
            "UPDATE experiments SET fixes = -1",
            "INSERT INTO meta VALUES ('k', 'not json')",
            "INSERT INTO meta VALUES ('k', NULL)",
            "INSERT INTO scores VALUES ('exp-0009', 'exp-0009', 's', 0, 1, '{}', '', '', '')",
            "INSERT INTO scores VALUES ('exp-0001', NULL, 's', 0, 1, '{}', '', '', '')",
            "INSERT INTO attempts VALUES ('exp-0001', 'one', 'j', '')",
            "DELETE FROM experiments",
        ):
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA foreign_keys = ON")
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
            connection.close()

    def test_a_contradiction_becomes_a_sentence(self, path):
        statement = "INSERT INTO meta VALUES ('key', 'not json')"
        refusal = pytest.raises(StoreError, match="contradicts what is on record")
        with Store.open(path) as store, store.transaction(), refusal:
            store.database.write(statement)

    def test_migrations_are_applied_in_order_and_once(self, path):
        more = (*MIGRATIONS, ("ALTER TABLE meta ADD COLUMN note TEXT", "UPDATE meta SET note = key"))
        with Store.open(path) as store:
            store.put("key", 1)
        for _ in range(2):
            database = Database.open(path, read_only=False, migrations=more)
            assert [row["note"] for row in database.rows("SELECT note FROM meta")] == ["key"]
            database.close()
        assert pragma(path, "user_version") == len(more)
        assert pragma(path, "application_id") == APPLICATION_ID

    def test_a_ledger_from_before_cache_writes_were_counted_goes_on(self, path):
        old = Database.open(path, read_only=False, migrations=MIGRATIONS[:1])
        with old.transaction():
            old.write("INSERT INTO usage VALUES ('critic', 'm', '', 'evaluate', 2, 30, 10, 5, 1, 0.5)")
        old.close()
        with Store.open(path) as store:
            before = Usage(
                calls=2, input_tokens=30, cached_tokens=10, output_tokens=5, reasoning_tokens=1, cost_usd=0.5
            )
            assert store.usage("role") == {"critic": before}
            more = Usage(calls=1, input_tokens=9, cache_write_tokens=7, cost_usd=0.25)
            store.add_usage(more, role="critic", model="m", phase="evaluate")
            assert store.usage("model") == {"m": before + more}

    def test_an_older_schema_cannot_be_upgraded_by_a_reader(self, path):
        Store.open(path).close()
        with pytest.raises(StoreError, match="open it once for writing"):
            Database.open(path, read_only=True, migrations=(*MIGRATIONS, ()))

    def test_a_migration_that_fails_leaves_the_old_version(self, path):
        Store.open(path).close()
        broken = (*MIGRATIONS, ("CREATE TABLE extra (a)", "CREATE TABLE extra (a)"))
        with pytest.raises(StoreError, match="already exists"):
            Database.open(path, read_only=False, migrations=broken)
        assert pragma(path, "user_version") == len(MIGRATIONS)
        Store.open(path).close()

    def test_a_lock_file_names_its_owner(self, path):
        lock = WriterLock.acquire(path)
        assert json.loads(path.with_name("state.db.lock").read_text()) == {
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        lock.release()


def test_a_large_board_is_quick(path, capsys):
    def timed(what, act):
        started = time.perf_counter()
        answer = act()
        with capsys.disabled():
            print(f"\n  {what}: {1000 * (time.perf_counter() - started):.0f} ms", end="")  # noqa: T201
        return answer

    def fill(store):
        with store.transaction():
            for number in range(2000):
                experiment = store.propose(make_proposal(number, family=f"family {number % 7}"))
                advance(store, experiment.id, S.SCORED)
                for seed in range(2):
                    store.record_score(make_score(experiment.id, float((number * 7919) % 2003), seed=seed))
                store.append(Noticed(message="x"))

    with Store.open(path) as store:
        timed("fill with 2,000 experiments", lambda: fill(store))
        statements = []
        store.database.connection.set_trace_callback(statements.append)
        experiments = timed("list them with their scores", store.experiments)
        assert len([statement for statement in statements if statement.strip().startswith("SELECT")]) == 2
        board = timed("rank them", lambda: rank(experiments, [], Metric(name="rmse", goal="minimize"), n=20))
        assert [row.value for row in board.rows] == sorted(row.value for row in board.rows)
        assert len(timed("read one family", lambda: store.experiments(family="family 3"))) == 286
        timed("count", store.counts)
        events = timed("read all events", store.events)
        assert len(events) == 22_000
        assert len(timed("read the last 100 events", lambda: store.events(since=21_900))) == 100
        timed("read one kind", lambda: store.events(kinds=("noticed",), limit=100))
    timed("open again, with its check", lambda: Store.open(path).close())
