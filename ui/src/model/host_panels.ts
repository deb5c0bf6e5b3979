// The host dashboard: for each resource its utilisation, then its saturation, then its errors.
// Metric names are node_exporter's, which the built-in collector follows.
import type { Look } from './look';
import { quote } from './labels';
import type { PanelQuery } from './range_query';

export interface HostPanel {
  id: string;
  kind: 'utilisation' | 'saturation' | 'errors';
  title: string;
  queries: PanelQuery[];
  look: Omit<Look, 'height'>;
  nothing?: string;
}

export interface HostSection { name: string; panels: HostPanel[] }

export interface HostName { job: string; instance: string }

export function hostSelector(host: HostName): string {
  return `job=${quote(host.job)},instance=${quote(host.instance)}`;
}

const DISKS = 'device!~"(loop|ram|zram|dm-|md|sr|fd).*"';
const MOUNTS = 'fstype!~"tmpfs|ramfs|squashfs|overlay|devtmpfs|proc|sysfs|cgroup.*|nsfs|autofs"';
const NICS = 'device!~"lo|veth.*|br-.*|docker.*|cni.*|virbr.*"';

export function hostSections(host: HostName): HostSection[] {
  const s = hostSelector(host);
  const rate = (metric: string, more = '') => `rate(${metric}{${s}${more && ',' + more}}[$rate])`;
  return [
    {
      name: 'CPU', panels: [
        {
          id: 'cpu', kind: 'utilisation', title: 'CPU busy, by mode',
          queries: [{ expr: `avg by (mode) (${rate('node_cpu_seconds_total', 'mode!~"idle|guest|guest_nice"')})`, legend: '{{mode}}', order: ['user', 'system', 'iowait', 'softirq', 'irq', 'nice', 'steal'] }],
          look: { unit: 'ratio', stack: true, top: 1 },
        },
        {
          id: 'load', kind: 'saturation', title: 'Load against cores',
          queries: [
            { expr: `node_load1{${s}}`, legend: 'load 1 min' },
            { expr: `count(count by (cpu) (node_cpu_seconds_total{${s}}))`, legend: 'cores' },
          ],
          look: { unit: 'count' },
        },
        {
          id: 'pressure', kind: 'saturation', title: 'Time that work waited (pressure)',
          queries: [
            { expr: rate('node_pressure_cpu_waiting_seconds_total'), legend: 'for CPU' },
            { expr: rate('node_pressure_memory_waiting_seconds_total'), legend: 'for memory' },
            { expr: rate('node_pressure_io_waiting_seconds_total'), legend: 'for disks' },
          ],
          look: { unit: 'ratio' }, nothing: 'This kernel reports no pressure (PSI is off).',
        },
      ],
    },
    {
      name: 'Memory', panels: [
        {
          id: 'memory', kind: 'utilisation', title: 'Memory',
          queries: [
            { expr: `node_memory_MemTotal_bytes{${s}} - node_memory_MemAvailable_bytes{${s}}`, legend: 'used' },
            { expr: `node_memory_MemAvailable_bytes{${s}} - node_memory_MemFree_bytes{${s}}`, legend: 'cache' },
            { expr: `node_memory_MemFree_bytes{${s}}`, legend: 'free' },
          ],
          look: { unit: 'bytes', stack: true },
        },
        {
          id: 'paging', kind: 'saturation', title: 'Paging',
          queries: [
            { expr: rate('node_vmstat_pgmajfault'), legend: 'major faults' },
            { expr: rate('node_vmstat_pswpin'), legend: 'swap in' },
            { expr: rate('node_vmstat_pswpout'), legend: 'swap out' },
          ],
          look: { unit: 'per second' },
        },
        {
          id: 'oom', kind: 'errors', title: 'Processes killed for memory',
          queries: [{ expr: `increase(node_vmstat_oom_kill{${s}}[$rate])`, legend: 'killed' }],
          look: { unit: 'count' },
        },
      ],
    },
    {
      name: 'Disk', panels: [
        {
          id: 'disk-busy', kind: 'utilisation', title: 'Disk busy',
          queries: [{ expr: rate('node_disk_io_time_seconds_total', DISKS), legend: '{{device}}' }],
          look: { unit: 'ratio', top: 1 },
        },
        {
          id: 'disk-bytes', kind: 'utilisation', title: 'Disk traffic',
          queries: [
            { expr: rate('node_disk_read_bytes_total', DISKS), legend: '{{device}} read' },
            { expr: rate('node_disk_written_bytes_total', DISKS), legend: '{{device}} written' },
          ],
          look: { unit: 'bytes/s' },
        },
        {
          id: 'space', kind: 'utilisation', title: 'Space used',
          queries: [{ expr: `1 - node_filesystem_avail_bytes{${s},${MOUNTS}} / node_filesystem_size_bytes{${s},${MOUNTS}}`, legend: '{{mountpoint}}' }],
          look: { unit: 'ratio', top: 1, thresholds: [{ at: 0.85, word: 'filling', mood: 'pending' }, { at: 0.95, word: 'nearly full', mood: 'firing' }] },
        },
        {
          id: 'disk-queue', kind: 'saturation', title: 'Disk queue, requests waiting on average',
          queries: [{ expr: rate('node_disk_io_time_weighted_seconds_total', DISKS), legend: '{{device}}' }],
          look: { unit: 'count' },
        },
        {
          id: 'disk-errors', kind: 'errors', title: 'File systems with an error or read-only',
          queries: [
            { expr: `node_filesystem_device_error{${s},${MOUNTS}}`, legend: '{{mountpoint}} cannot be read' },
            { expr: `node_filesystem_readonly{${s},${MOUNTS}}`, legend: '{{mountpoint}} read-only' },
          ],
          look: { unit: 'bool', top: 1 },
        },
      ],
    },
    {
      name: 'Network', panels: [
        {
          id: 'network', kind: 'utilisation', title: 'Network traffic',
          queries: [
            { expr: `8 * ${rate('node_network_receive_bytes_total', NICS)}`, legend: '{{device}} in' },
            { expr: `8 * ${rate('node_network_transmit_bytes_total', NICS)}`, legend: '{{device}} out' },
          ],
          look: { unit: 'bits/s' },
        },
        {
          id: 'network-drops', kind: 'saturation', title: 'Packets dropped',
          queries: [
            { expr: rate('node_network_receive_drop_total', NICS), legend: '{{device}} in' },
            { expr: rate('node_network_transmit_drop_total', NICS), legend: '{{device}} out' },
          ],
          look: { unit: 'per second' },
        },
        {
          id: 'network-errors', kind: 'errors', title: 'Packets with errors',
          queries: [
            { expr: rate('node_network_receive_errs_total', NICS), legend: '{{device}} in' },
            { expr: rate('node_network_transmit_errs_total', NICS), legend: '{{device}} out' },
          ],
          look: { unit: 'per second' },
        },
      ],
    },
    {
      name: 'TCP', panels: [
        {
          id: 'tcp', kind: 'utilisation', title: 'TCP connections, by state',
          queries: [{ expr: `sum by (state) (node_tcp_connection_states{${s},state!~"close_wait|rx_queued_bytes|tx_queued_bytes"})`, legend: '{{state}}' }],
          look: { unit: 'count' },
        },
        {
          id: 'close-wait', kind: 'saturation', title: 'CLOSE_WAIT: closed by the peer, never by us',
          queries: [{ expr: `sum by (instance) (node_tcp_connection_states{${s},state="close_wait"})`, legend: 'close_wait' }],
          look: {
            unit: 'count', thresholds: [
              { at: 1000, word: 'alert after 15 m', mood: 'pending' },
              { at: 2000, word: 'alert after 5 m', mood: 'firing' },
            ],
          },
        },
        {
          id: 'tcp-errors', kind: 'errors', title: 'Retransmissions and overflows',
          queries: [
            { expr: rate('node_netstat_Tcp_RetransSegs'), legend: 'sent again' },
            { expr: rate('node_netstat_TcpExt_ListenOverflows'), legend: 'listen full' },
          ],
          look: { unit: 'per second' },
        },
      ],
    },
    {
      name: 'File descriptors', panels: [
        {
          id: 'files', kind: 'utilisation', title: 'File descriptors in use',
          queries: [{ expr: `node_filefd_allocated{${s}}`, legend: 'in use' }],
          look: { unit: 'count' },
        },
        {
          id: 'files-share', kind: 'saturation', title: 'Share of the limit in use',
          queries: [{ expr: `node_filefd_allocated{${s}} / node_filefd_maximum{${s}}`, legend: 'of the limit' }],
          look: { unit: 'ratio', thresholds: [{ at: 0.8, word: 'close to the limit', mood: 'firing' }] },
        },
      ],
    },
  ];
}
