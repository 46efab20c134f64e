//! The cloud of one data centre: racks, servers, virtual machines, storage and the container cluster.

use super::site::Site;
use super::{Ci, Estate, Scale};

/// Every such virtual machine is a container node.
const NODE_EVERY: usize = 8;
/// Pods on each container node.
const PODS_PER_NODE: usize = 8;
/// Every such virtual machine has a volume of its own.
const VOLUME_EVERY: usize = 6;
/// From this rack on, the machines are listed by their hypervisor.
const HYPERVISOR_RACK: usize = 11;

/// Where software of a data centre can run.
pub(super) struct Machines {
    pub(super) site: &'static str,
    pub(super) vms: Vec<String>,
    pub(super) pods: Vec<String>,
}

/// Racks, servers, machines, storage and pods of a data centre.
pub(super) fn machines(estate: &mut Estate, site: &Site, scale: Scale) -> Machines {
    let s = site.id;
    let pool = site.add(estate, "cloud_cluster", format!("pool-{s}"), ("计算资源池", "compute pool"));
    let cluster = site.add(estate, "k8s_cluster", format!("k8s-{s}"), ("容器集群", "container cluster"));
    let network = site.add(estate, "vpc", format!("vpc-{s}"), ("业务虚拟网络", "business network"));
    estate.link(&format!("csw-{s}1"), "connects", &network);
    estate.link(&format!("csw-{s}2"), "connects", &network);
    for n in 1..=2 {
        let (zh, en) = (format!("存储-{n}"), format!("storage array {n}"));
        let array = site.add(estate, "storage_array", format!("stor-{s}{n}"), (&zh, &en));
        for core in 1..=2 {
            estate.link(&format!("csw-{s}{core}"), "connects", &array);
            estate.link(&format!("pdb-{s}{core}"), "powers", &array);
        }
    }
    let objects = site.add(estate, "object_store", format!("obj-{s}"), ("对象存储", "object store"));
    estate.link(&objects, "stores_on", &format!("stor-{s}1"));
    let mut made = Machines { site: s, vms: Vec::new(), pods: Vec::new() };
    for rack in 1..=scale.racks {
        let servers = rack_of(estate, site, rack, scale);
        for server in servers {
            estate.link(&server, "hosts", &pool);
            virtual_machines(estate, site, &server, scale, &mut made);
        }
    }
    containers(estate, site, &cluster, &mut made);
    made
}

/// One rack with its switch, power strips and servers; returns the servers.
fn rack_of(estate: &mut Estate, site: &Site, rack: usize, scale: Scale) -> Vec<String> {
    let (s, net) = (site.id, site.net);
    let at = format!("{s}{rack:02}");
    let (zh, en) = (format!("机柜{rack:02}"), format!("rack {rack:02}"));
    let id = site.add(estate, "rack", format!("rack-{at}"), (&zh, &en));
    estate.link(&format!("room-{s}"), "contains", &id);
    estate.link(&format!("crac-{s}{}", rack % 2 + 1), "cools", &id);
    let ip = format!("10.{net}.0.{}", 100 + rack);
    let (zh, en) = (format!("接入交换机{rack:02}"), format!("access switch {rack:02}"));
    let tor = format!("tor-{at}");
    site.add_with(estate, Ci { class: "access_switch", id: &tor, zh: &zh, en: &en, keys: &[&ip], ..Ci::default() });
    let mut strips = Vec::new();
    for n in 1..=2 {
        let (zh, en) = (format!("机柜{rack:02}PDU-{n}"), format!("rack {rack:02} PDU {n}"));
        let pdu = format!("pdu-{at}-{n}");
        // Every fourth strip has no sensor: its silence means nothing.
        let silent = rack.is_multiple_of(2) && n == 2;
        site.add_with(estate, Ci { class: "pdu", id: &pdu, zh: &zh, en: &en, silent, ..Ci::default() });
        estate.link(&format!("pdb-{s}{n}"), "powers", &pdu);
        estate.link(&pdu, "powers", &tor);
        estate.link(&format!("csw-{s}{n}"), "uplinks", &tor);
        strips.push(pdu);
    }
    let class = if rack < HYPERVISOR_RACK { "server" } else { "hypervisor" };
    (1..=scale.servers_per_rack)
        .map(|n| {
            let server = format!("srv-{at}-{n}");
            let (ip, name) = (format!("10.{net}.{rack}.{n}"), format!("{server}.gov.example"));
            let (zh, en) = (format!("服务器{rack:02}-{n}"), format!("server {rack:02}-{n}"));
            let keys = [ip.as_str(), name.as_str()];
            site.add_with(estate, Ci { class, id: &server, zh: &zh, en: &en, keys: &keys, ..Ci::default() });
            estate.link(&id, "contains", &server);
            estate.link(&tor, "connects", &server);
            for strip in &strips {
                estate.link(strip, "powers", &server);
            }
            server
        })
        .collect()
}

fn virtual_machines(estate: &mut Estate, site: &Site, server: &str, scale: Scale, made: &mut Machines) {
    let (s, net) = (site.id, site.net);
    for v in 1..=scale.vms_per_server {
        let number = made.vms.len();
        let vm = format!("{}-{v}", server.replace("srv", "vm"));
        let ip = format!("10.{}.{}.{}", net + 100, number / 250, number % 250 + 1);
        let (zh, en) = (format!("云主机{}", &vm[3..]), format!("virtual machine {}", &vm[3..]));
        site.add_with(estate, Ci { class: "vm", id: &vm, zh: &zh, en: &en, keys: &[&ip], ..Ci::default() });
        estate.link(server, "hosts", &vm);
        let array = format!("stor-{s}{}", number % 2 + 1);
        if number.is_multiple_of(VOLUME_EVERY) {
            let (zh, en) = (format!("云盘{number:03}"), format!("volume {number:03}"));
            let volume = site.add(estate, "volume", format!("vol-{s}{number:03}"), (&zh, &en));
            estate.link(&volume, "stores_on", &array);
            estate.link(&vm, "stores_on", &volume);
        } else {
            estate.link(&vm, "stores_on", &array);
        }
        made.vms.push(vm);
    }
}

/// Container nodes on some of the machines, with pods.
fn containers(estate: &mut Estate, site: &Site, cluster: &str, made: &mut Machines) {
    let s = site.id;
    for vm in made.vms.iter().step_by(NODE_EVERY) {
        let place = &vm[3..];
        let (zh, en) = (format!("容器节点{place}"), format!("container node {place}"));
        let node = site.add(estate, "k8s_node", format!("node-{place}"), (&zh, &en));
        estate.link(&node, "runs_on", vm);
        estate.link(&node, "hosts", cluster);
        for _ in 0..PODS_PER_NODE {
            let pod = format!("pod-{s}{:04}", made.pods.len());
            let (zh, en) = (format!("容器组{}", &pod[4..]), format!("pod {}", &pod[4..]));
            let key = format!("biz/{pod}");
            site.add_with(estate, Ci { class: "k8s_pod", id: &pod, zh: &zh, en: &en, keys: &[&key], ..Ci::default() });
            estate.link(&node, "hosts", &pod);
            made.pods.push(pod);
        }
    }
}
