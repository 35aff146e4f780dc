"""The first tables of users, and the triggers that tie customers to their events."""

import django.db.models.deletion
import fissile.data.clock
import fissile.data.migrations
import fissile.messages.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.UUIDField(default=fissile.messages.ids.uuid7, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=0, editable=False)),
                ('email', models.CharField(max_length=254, unique=True)),
                ('name', models.CharField(max_length=100)),
                ('credit_limit_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('created_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'customer',
                'db_table': 'users_user',
                'ordering': ['-created_at', 'id'],
            },
        ),
        migrations.CreateModel(
            name='RefreshFamily',
            fields=[
                ('id', models.UUIDField(primary_key=True, serialize=False)),
                ('began_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('reason', models.CharField(blank=True, default='', max_length=40)),
            ],
            options={
                'verbose_name_plural': 'refresh families',
                'db_table': 'users_refresh_family',
            },
        ),
        migrations.CreateModel(
            name='RefreshToken',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('expires_at', models.DateTimeField(db_index=True)),
                ('used_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'db_table': 'users_refresh_token',
            },
        ),
        migrations.CreateModel(
            name='UsersInbox',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('consumer', models.TextField()),
                ('message_id', models.UUIDField()),
                ('aggregate', models.TextField()),
                ('version', models.PositiveIntegerField()),
                ('type', models.TextField()),
                ('payload', models.JSONField()),
                ('headers', models.JSONField()),
                ('received_at', models.DateTimeField(db_default=fissile.data.clock.Clock())),
                ('applied_at', models.DateTimeField(blank=True, null=True)),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('applied', 'Applied'), ('parked', 'Parked')], default='waiting', max_length=8)),
                ('reason', models.TextField(blank=True, default='')),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('due', models.DateTimeField(blank=True, null=True)),
                ('marked_until', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'users inbox',
                'db_table': 'users_inbox',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='UsersLane',
            fields=[
                ('lane', models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ('owner', models.TextField(blank=True, default='')),
                ('fence', models.BigIntegerField(default=0)),
                ('lease_until', models.DateTimeField(db_default=fissile.data.clock.Clock())),
                ('paused', models.BooleanField(default=False)),
            ],
            options={
                'db_table': 'users_lane',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='UsersOutbox',
            fields=[
                ('seq', models.BigAutoField(primary_key=True, serialize=False)),
                ('id', models.UUIDField(default=fissile.messages.ids.uuid7, editable=False, unique=True)),
                ('aggregate', models.TextField()),
                ('version', models.PositiveIntegerField()),
                ('lane', models.PositiveSmallIntegerField()),
                ('type', models.TextField()),
                ('payload', models.JSONField()),
                ('headers', models.JSONField()),
                ('recorded_at', models.DateTimeField(db_default=fissile.data.clock.Clock())),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('next_at', models.DateTimeField(blank=True, null=True)),
                ('parked_at', models.DateTimeField(blank=True, null=True)),
                ('reason', models.TextField(blank=True, default='')),
                ('sent_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'verbose_name_plural': 'users outbox',
                'db_table': 'users_outbox',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='UsersPosition',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('consumer', models.TextField()),
                ('aggregate', models.TextField()),
                ('applied_version', models.PositiveIntegerField(default=0)),
                ('last_id', models.UUIDField(blank=True, null=True)),
            ],
            options={
                'db_table': 'users_position',
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='Credential',
            fields=[
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='credential', serialize=False, to='users.user')),
                ('password_hash', models.CharField(max_length=255)),
            ],
            options={
                'db_table': 'users_credential',
            },
        ),
        migrations.AddConstraint(
            model_name='user',
            constraint=models.CheckConstraint(condition=models.Q(('credit_limit_minor__gte', 0), ('credit_limit_minor__lte', 100000000000)), name='users_user_credit_limit'),
        ),
        migrations.AddField(
            model_name='refreshfamily',
            name='user',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refresh_families', to='users.user'),
        ),
        migrations.AddField(
            model_name='refreshtoken',
            name='family',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tokens', to='users.refreshfamily'),
        ),
        migrations.AddIndex(
            model_name='usersinbox',
            index=models.Index(condition=models.Q(('due__isnull', False), ('state', 'waiting')), fields=['consumer', 'due'], name='usersinbox_due'),
        ),
        migrations.AddIndex(
            model_name='usersinbox',
            index=models.Index(condition=models.Q(('state', 'parked')), fields=['consumer'], name='usersinbox_parked'),
        ),
        migrations.AddIndex(
            model_name='usersinbox',
            index=models.Index(condition=models.Q(('state', 'applied')), fields=['applied_at'], name='usersinbox_applied'),
        ),
        migrations.AddConstraint(
            model_name='usersinbox',
            constraint=models.UniqueConstraint(fields=('consumer', 'message_id'), name='usersinbox_message'),
        ),
        migrations.AddConstraint(
            model_name='usersinbox',
            constraint=models.UniqueConstraint(fields=('consumer', 'aggregate', 'version'), name='usersinbox_stream'),
        ),
        migrations.AddIndex(
            model_name='usersoutbox',
            index=models.Index(condition=models.Q(('sent_at__isnull', True)), fields=['lane', 'seq'], name='usersoutbox_pending'),
        ),
        migrations.AddIndex(
            model_name='usersoutbox',
            index=models.Index(condition=models.Q(('attempts__gt', 0), ('sent_at__isnull', True)), fields=['aggregate', 'version'], name='usersoutbox_trouble'),
        ),
        migrations.AddConstraint(
            model_name='usersoutbox',
            constraint=models.UniqueConstraint(fields=('aggregate', 'version'), name='usersoutbox_stream'),
        ),
        migrations.AddConstraint(
            model_name='usersposition',
            constraint=models.UniqueConstraint(fields=('consumer', 'aggregate'), name='usersposition_stream'),
        ),
        fissile.data.migrations.RequireEvent('users_user', 'user', 'users_outbox'),
    ]
