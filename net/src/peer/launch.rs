//! From what was set to a running peer: its sockets, what it shows of its group, and all that listens and looks.

use std::sync::{Arc, Mutex};

use net_proto::InstanceId;
use tokio::runtime::Handle;
use tokio::sync::Mutex as AsyncMutex;

use super::{Core, Peer, has_started};
use crate::config::Config;
use crate::ending::Ending;
use crate::error::StartError;
use crate::event::{Publisher, Subscriber};
use crate::find::Finders;
use crate::flag::Handlers;
use crate::interfaces::interfaces;
use crate::interfaces::watch::Watch;
use crate::link::accept;
use crate::link::connections::Connections;
use crate::listen::{self, Listeners};
use crate::network::Network;
use crate::peers::{Table, members};
use crate::place::Place;
use crate::registry::Registry;
use crate::runtime::Inline;
use crate::secure::access::Access;
use crate::secure::identity::Identity;
use crate::secure::store::keys_of;
use crate::secure::{Keys, Secret};
use crate::{builtin, private};

/// With which the peer shows that it is of its group, where that has a key or certificates.
fn identity(config: &Config) -> Result<Option<Arc<Identity>>, StartError> {
    fn unusable(why: impl ToString) -> StartError {
        StartError::Secure(why.to_string())
    }
    let of_key = |keys: Keys| Identity::of_key(&keys).map_err(unusable).map(Some);
    let identity = match (&config.group, &config.secret, &config.certificates) {
        (None, None, None) => None,
        (None, Some(_), _) => {
            return Err(unusable(
                "a secret is of a group: NET_SECRET needs NET_GROUP",
            ));
        }
        (None, None, Some(_)) => {
            return Err(unusable(
                "certificates are of a group: NET_TLS_CERT needs NET_GROUP",
            ));
        }
        (Some(_), Some(_), Some(_)) => {
            return Err(unusable(
                "a group has a key or certificates: set NET_SECRET or NET_TLS_CERT, not both",
            ));
        }
        (Some(group), Some(secret), None) => {
            let secret: Secret = secret.parse().map_err(unusable)?;
            let key = secret.key(group).map_err(unusable)?;
            of_key(Keys::new(group, key))?
        }
        (Some(group), None, Some(files)) => {
            Some(Identity::of_files(group, files).map_err(unusable)?)
        }
        (Some(group), None, None) => {
            let keys = keys_of(group, config.config_dir.as_deref()).map_err(unusable)?;
            keys.map_or(Ok(None), of_key)?
        }
    };
    Ok(identity.map(Arc::new))
}

/// A name that is not there would silently be an interface on which nobody is found.
fn check_interfaces(config: &Config) -> Result<(), StartError> {
    match config.interfaces.missing(&interfaces()) {
        None => Ok(()),
        Some((missing, there)) => Err(StartError::NoInterface {
            value: config.interfaces.text().to_owned(),
            missing,
            there: there.join(", "),
        }),
    }
}

pub(super) async fn launch(
    config: Config,
    functions: bool,
    runtime: Handle,
) -> Result<Peer, StartError> {
    check_interfaces(&config)?;
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| StartError::Random(error.to_string()))?;
    let id = InstanceId(bytes);
    let place = match config.listen || config.discover {
        true => Some(Place::open(&config)?),
        false => None,
    };
    let identity = identity(&config)?;
    let access = Access::new(config.open, identity.as_deref());
    let listeners = match &place {
        Some(place) if config.listen => Listeners::open(&config, place, id, access).await?,
        _ => Listeners::default(),
    };
    // Loopback and the Unix socket do not change: who stays on its host needs not follow the network.
    let follows = access.admits_network() && (config.listen || config.discover);
    let watch = follows.then(Watch::begin);
    let interfaces = watch.as_ref().map_or(&[][..], Watch::interfaces);
    #[cfg(unix)]
    let heard_by = watch.as_ref().and_then(Watch::descriptor);
    let user = listen::user_name(&config);
    let name = config.name.clone();
    let core = Arc::new(Core {
        id,
        is_named: name.is_some(),
        name: name.unwrap_or_else(|| listen::default_name(&user)),
        user,
        group: config.group.clone(),
        identity,
        access,
        hub: config.hub,
        transient: config.transient,
        limits: config.limits.clone(),
        host: listeners.reach.host(),
        port: listeners.reach.port,
        network: Network::new(listeners.reach.clone(), interfaces),
        finders: config.discover.then(|| Finders::new(&config)),
        place,
        socket: listeners.socket.clone(),
        #[cfg(unix)]
        held: Mutex::new(
            listeners
                .descriptors()
                .into_iter()
                .chain(heard_by)
                .collect(),
        ),
        inline: Inline::of(&runtime),
        runtime: runtime.clone(),
        registry: Registry::default(),
        peers: Table::new(id),
        publisher: Publisher::default(),
        subscriber: Subscriber::default(),
        flags: Handlers::default(),
        links: Mutex::default(),
        connections: Connections::new(&config.limits),
        tasks: AsyncMutex::default(),
        ending: Ending::default(),
    });
    if core.identity.is_some() {
        let seed = u64::from_le_bytes(id.0[..8].try_into().unwrap_or_default());
        core.peers.keep_members(&core.hello(), seed);
    }
    has_started(&core);
    if access == Access::Open && config.listen {
        tracing::warn!(
            addresses = ?core.network.addresses(),
            "this peer is open to the network (NET_OPEN): whoever reaches it can call its functions"
        );
    }
    tracing::debug!(name = %core.name, addresses = ?core.network.addresses(), "peer started");
    builtin::register(&core.registry);
    if functions {
        private::register_all(&core.peer());
    }
    let mut tasks = core.tasks.lock().await;
    for listener in listeners.tcp {
        tasks.push(runtime.spawn(accept::tcp(Arc::clone(&core), listener)));
    }
    if let (Some(listener), Some(name)) = (listeners.unix, listeners.reach.unix) {
        tasks.push(runtime.spawn(accept::unix(Arc::clone(&core), listener, name)));
    }
    if core.identity.is_some() {
        tasks.push(runtime.spawn(members::keep(Arc::clone(&core))));
    }
    if let Some(watch) = watch {
        tasks.push(runtime.spawn(Network::follow(Arc::clone(&core), watch)));
    }
    if let Some(finders) = &core.finders {
        tasks.extend(finders.run(&core));
    }
    drop(tasks);
    Ok(Peer(core))
}
