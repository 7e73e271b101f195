//! What is measured with both ends in Python, and of whom: the rows of each table, ours first.

use lines::Order;

/// Whose Python runs a module: each of the environments has other packages.
#[derive(Clone, Copy)]
pub(super) enum Environment {
    Ours,
    Rivals,
    /// Of app-net 0.6.2, which has the name of ours.
    Original,
}

/// One row: a module of `bench/python`, in one of its ways.
#[derive(Clone, Copy)]
pub(super) struct Contestant {
    pub(super) label: &'static str,
    pub(super) environment: Environment,
    pub(super) module: &'static str,
    pub(super) way: &'static str,
}

/// One table.
pub(super) struct Part {
    pub(super) title: &'static str,
    /// Both ends on one core.
    pub(super) pinned: bool,
    pub(super) warm_up: Order,
    pub(super) order: Order,
    /// Of microseconds for the median call, of calls/s for many, of MB/s for large values.
    pub(super) unit: f64,
    /// Whether what a call costs either side says something.
    pub(super) costs: bool,
    pub(super) contestants: &'static [Contestant],
}

const MILLISECOND: f64 = 1000.0;
const EIGHT_MIB: Order = Order::Echo {
    size: 8 * 1024 * 1024,
    calls: 8,
};

pub(super) const PARTS: [Part; 7] = [
    Part {
        title: "one small call at a time, both ends on one core, p50 in µs",
        pinned: true,
        warm_up: Order::Latency { calls: 500 },
        order: Order::Latency { calls: 2_000 },
        unit: 1.0,
        costs: true,
        contestants: &[
            ours("net", "ours", "blocking"),
            ours("bare socket, 64 bytes", "bare", "blocking"),
            ours("multiprocessing manager", "with_manager", "blocking"),
            rival("rpyc", "with_rpyc", "blocking"),
            rival("Pyro5", "with_pyro5", "blocking"),
            rival("grpcio", "with_grpc", "blocking"),
            rival("nats-py (TCP)", "with_nats", "asyncio"),
            original("app-net 0.6.2 (TCP)", "with_original", "blocking"),
        ],
    },
    Part {
        title: "16 threads that call, calls/s",
        pinned: false,
        warm_up: THREADS,
        order: THREADS,
        unit: 1.0,
        costs: true,
        contestants: &[
            ours("net", "ours", "blocking"),
            ours("bare asyncio, JSON, 64 in flight", "bare_json", "asyncio"),
            ours("multiprocessing manager", "with_manager", "blocking"),
            rival("rpyc", "with_rpyc", "blocking"),
            rival("Pyro5", "with_pyro5", "blocking"),
            rival("grpcio", "with_grpc", "blocking"),
            original("app-net 0.6.2 (TCP)", "with_original", "blocking"),
        ],
    },
    Part {
        title: "64 small calls in flight from one thread, calls/s",
        pinned: false,
        warm_up: TASKS,
        order: TASKS,
        unit: 1.0,
        costs: true,
        contestants: &[
            ours("net, .aio", "ours", "asyncio"),
            ours("net, .submit", "ours", "submit"),
            ours("bare asyncio, JSON", "bare_json", "asyncio"),
            rival("grpcio, asyncio", "with_grpc", "asyncio"),
            rival("nats-py (TCP)", "with_nats", "asyncio"),
        ],
    },
    Part {
        title: "8 MiB of bytes there and back, MB/s (its size by the time)",
        pinned: false,
        warm_up: EIGHT_MIB,
        order: EIGHT_MIB,
        unit: 1.0,
        costs: false,
        contestants: &[
            ours("net", "ours", "blocking"),
            ours("bare socket", "bare", "echo"),
            ours("multiprocessing manager", "with_manager", "blocking"),
            rival("rpyc", "with_rpyc", "blocking"),
            rival("Pyro5", "with_pyro5", "blocking"),
            rival("grpcio", "with_grpc", "blocking"),
            rival("nats-py (TCP)", "with_nats", "asyncio"),
        ],
    },
    Part {
        title: "8 MiB of float64 in an array there and back, MB/s",
        pinned: false,
        warm_up: EIGHT_MIB,
        order: EIGHT_MIB,
        unit: 1.0,
        costs: false,
        contestants: &[
            ours("net", "ours", "array"),
            ours("bare socket", "bare", "array"),
            ours("multiprocessing manager", "with_manager", "array"),
        ],
    },
    Part {
        title: "from the start of a process to its first answer to another, p50 in ms",
        pinned: false,
        warm_up: ONCE,
        order: A_FEW,
        unit: MILLISECOND,
        costs: false,
        contestants: &[
            ours("net", "fresh", "start ours"),
            ours("bare socket", "fresh", "start bare"),
            ours("multiprocessing manager", "fresh", "start with_manager"),
            rival("rpyc", "fresh", "start with_rpyc"),
            rival("Pyro5", "fresh", "start with_pyro5"),
            rival("grpcio", "fresh", "start with_grpc"),
            original("app-net 0.6.2 (TCP)", "fresh", "start with_original"),
        ],
    },
    Part {
        title: "the import alone, p50 in ms",
        pinned: false,
        warm_up: ONCE,
        order: A_FEW,
        unit: MILLISECOND,
        costs: false,
        contestants: &[
            ours("import net", "fresh", "import net"),
            ours("import asyncio", "fresh", "import asyncio"),
            ours(
                "import multiprocessing.managers",
                "fresh",
                "import multiprocessing.managers",
            ),
            rival("import rpyc", "fresh", "import rpyc"),
            rival("import Pyro5.api", "fresh", "import Pyro5.api"),
            rival("import grpc", "fresh", "import grpc"),
            rival("import nats", "fresh", "import nats"),
        ],
    },
];

const THREADS: Order = Order::Flight {
    window: 16,
    calls: 5_000,
};
const TASKS: Order = Order::Flight {
    window: 64,
    calls: 10_000,
};
const ONCE: Order = Order::Latency { calls: 1 };
const A_FEW: Order = Order::Latency { calls: 3 };

const fn ours(label: &'static str, module: &'static str, way: &'static str) -> Contestant {
    Contestant {
        label,
        environment: Environment::Ours,
        module,
        way,
    }
}

const fn rival(label: &'static str, module: &'static str, way: &'static str) -> Contestant {
    Contestant {
        environment: Environment::Rivals,
        ..ours(label, module, way)
    }
}

const fn original(label: &'static str, module: &'static str, way: &'static str) -> Contestant {
    Contestant {
        environment: Environment::Original,
        ..ours(label, module, way)
    }
}
